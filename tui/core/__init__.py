"""What every room shares and nobody below it: foods, settings, errors, events, text safety, paths, clock."""
