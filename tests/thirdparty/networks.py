"""Networks of other libraries with random weights, and their multiply-adds by hand.

Each factory builds from a configuration; nothing is downloaded.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import nn

LENGTH, AUDIO = 32, 4000
BERT = {"vocab_size": 500, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def bert():
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**BERT))


def bert_classifier():
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(BertConfig(**BERT, num_labels=3))


def wav2vec2():
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Wav2Vec2Model(Wav2Vec2Config(**SPEECH))


def hubert():
    from transformers import HubertConfig, HubertForSequenceClassification

    return HubertForSequenceClassification(HubertConfig(**SPEECH, num_labels=4, classifier_proj_size=16))


def gpt2():
    from transformers import GPT2Config, GPT2ForSequenceClassification

    config = GPT2Config(vocab_size=300, n_positions=64, n_embd=32, n_layer=2, n_head=4, num_labels=3, pad_token_id=0)
    config.bos_token_id = config.eos_token_id = 1
    return GPT2ForSequenceClassification(config)


def t5():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=200, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    return T5ForConditionalGeneration(config)


def clip():
    from transformers import CLIPConfig, CLIPModel

    text = {"vocab_size": 200, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 4, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1}
    vision = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision |= {"image_size": 32, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))


def vit():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=32, patch_size=8
    )
    return ViTForImageClassification(config)


def resnet18():
    from pytorchcv.model_provider import get_model

    return get_model("resnet18")


def mobilenet():
    from pytorchcv.model_provider import get_model

    return get_model("mobilenetv2_w1")


def efficientnet():
    from pytorchcv.model_provider import get_model

    return get_model("efficientnet_b0")


class Counted(NamedTuple):
    """What hooks find: multiply-adds of all layers with weights, and the lengths that attention had."""

    layers: int
    calls: Counter[str]


def counted(network: nn.Module, *inputs: torch.Tensor, **named: torch.Tensor) -> Counted:
    """Return the multiply-adds of convolutions and linear layers for one item, from shapes that hooks see."""
    total, calls = 0, Counter[str]()

    def add(module: Any, arguments: Any, output: torch.Tensor) -> None:
        nonlocal total
        name = type(module).__name__
        calls[name] += 1
        if isinstance(module, nn.modules.conv._ConvNd):
            total += output[0].numel() * module.weight[0].numel()  # a kernel for each number of the output
        elif isinstance(module, nn.Linear):
            total += output[0].numel() * module.in_features
        elif name == "Conv1D":  # transformers' linear layer, whose weight is (in, out)
            total += output[0].numel() * module.weight.shape[0]

    handles = [module.register_forward_hook(add) for module in network.modules()]
    with torch.no_grad():
        network.eval()(*inputs, **named)
    for handle in handles:
        handle.remove()
    return Counted(total, calls)
