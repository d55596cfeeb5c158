"""What the sources share: their contract, addresses as people write them and those that may be reached, and options."""
