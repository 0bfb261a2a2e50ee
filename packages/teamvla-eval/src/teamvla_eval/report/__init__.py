"""Tables, plots, HTML reports and console output."""
