"""Two small vision-language models made offline, for running everything without a hub."""
