"""How does a recorded flight become a film? Painted without a screen, frame by frame, from the record alone."""
