"""Result files: schema, journal, submissions."""
