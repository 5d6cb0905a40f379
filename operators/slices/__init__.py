"""MRI slices: what a slice profile sees of a volume, its motion, gain and bias."""
