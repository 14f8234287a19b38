"""From torch.ao.quantization to torchao and exported graphs: each old call beside its new one, run and compared."""
