"""Where people's embeddings are kept and searched: one Protocol, several kinds."""
