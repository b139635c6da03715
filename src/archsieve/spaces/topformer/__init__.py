"""TopFormer: networks for segmentation."""
