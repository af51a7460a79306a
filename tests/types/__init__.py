"""Every type against the live server, by the tables in `tables/`."""

# What the texts in the tables depend on.
SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "lc_monetary": "C",
            "bytea_output": "hex", "extra_float_digits": "1", "xmloption": "content"}
