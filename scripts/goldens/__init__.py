"""What scripts/generate_golden.py is made of: one file a chapter, and the tools they share."""
