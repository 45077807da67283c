"""The routes for people: watching, exploring, labelling."""
