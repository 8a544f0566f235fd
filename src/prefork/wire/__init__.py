"""How the processes of one fleet talk: frames, messages, descriptors, shared memory."""
