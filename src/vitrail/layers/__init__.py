"""The parts between mixers: MLP, drop path, embeddings, down-samplers, positions. Tokens are channels-last."""
