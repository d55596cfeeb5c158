"""Who may use what: the admin's site, keys of the API, and their copies for outages of PostgreSQL.

`admin_site` bounds what lists may be asked, `api_keys` and `key_admin` issue keys, `key_copies` authenticates requests
by `copies` where the answer must not need PostgreSQL, `schemes` describes both in the schema, `roles` gives the groups
viewer, operator and admin their rights.
"""
