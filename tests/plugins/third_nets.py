"""Models of other libraries, searched by the arguments of a function: nobody touched them."""


def vit(width=16, heads=2, layers=2, inner=2, *, input_shape=(3, 16, 16), num_outputs=3):
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        image_size=input_shape[1],
        patch_size=4,
        num_channels=input_shape[0],
        hidden_size=width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        intermediate_size=inner * width,
        num_labels=num_outputs,
    )
    return ViTForImageClassification(config)


def bert(layers=1, heads=2, inner=24, *, num_outputs=3):
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=40,
        hidden_size=12,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        num_labels=num_outputs,
        max_position_embeddings=16,
    )
    return BertForSequenceClassification(config)


def cifar_resnet(blocks=8, bottleneck=False, *, num_outputs=10):
    from pytorchcv.models.resnet_cifar import get_resnet_cifar

    return get_resnet_cifar(num_outputs, blocks=blocks, bottleneck=bottleneck)
