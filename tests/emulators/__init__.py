"""Real servers over real HTTP that behave like the ones ragfood talks to."""
