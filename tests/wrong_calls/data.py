"""Wrong calls of datasets, samplers and loaders."""
