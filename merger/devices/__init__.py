"""Where a merge computes: the processor, or a GPU that blocks are brought to and fetched from."""
