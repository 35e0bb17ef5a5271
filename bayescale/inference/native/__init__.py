"""A compiler for the models of this package: from a graph of PyTensor to machine code, by LLVM."""
