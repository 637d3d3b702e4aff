"""A bank on three nodes, and the script that kills them and cuts their links while money is moved."""
