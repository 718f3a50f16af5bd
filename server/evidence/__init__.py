"""Evidence: an archive of what happened in a conference, and its proof without the store."""
