"""The operator's desk: the first page of the admin, and what stands beside the entries of its side bar.

`panels` is the contract by which apps offer figures, `views` the page and the JSON that it asks for every few seconds,
`verdict` makes one sentence of all that is not well, `remembered` keeps answers that take long, `badges` the numbers in
the side bar, `targets` the tables below the page of a ship or aircraft, `colours` those that admin and map share. The
panels themselves lie beside what they show, and what a browser does with them in `tracking/static/desk/`.
"""
