"""What a sweep needs to run in a wanted time, or how long it takes with what there is."""
