"""The families of students: an encoder that marks spans, and a language model that writes the graph."""
