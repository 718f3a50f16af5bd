"""In a host, in one command: where each host keeps its servers, and how this one is put there and taken out."""
