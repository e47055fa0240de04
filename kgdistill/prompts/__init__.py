"""What is said to a teacher and how its replies are read: templates, reply schemas, strict rendering."""
