"""What is compared: a file for each library, which is imported in its process alone; a function for each candidate."""
