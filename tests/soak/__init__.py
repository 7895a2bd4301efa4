"""A long steady load on a server: is it flat? ``make soak``."""
