"""A second counter, by the textbook formula of each kind of layer and hooks: it shares nothing with the package's."""

from __future__ import annotations

import warnings
from math import prod

import torch
from torch import nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def kernel(module):
    return module.in_channels * module.out_channels // module.groups * prod(module.kernel_size)


def matrices(module):
    """Return the numbers of the input's and the state's matrix of each layer and direction, gates included."""
    gates, ways = GATES[module.mode.partition("_")[0]], 1 + module.bidirectional
    state = module.proj_size or module.hidden_size
    rows = gates * module.hidden_size
    layers = [
        rows * ((module.input_size if layer == 0 else ways * state) + state) for layer in range(module.num_layers)
    ]
    projections = module.num_layers * module.hidden_size * module.proj_size
    return ways * (sum(layers) + projections)


def cell_matrices(module):
    gates = {"LSTMCell": 4, "GRUCell": 3, "RNNCell": 1}[type(module).__name__]
    return gates * module.hidden_size * (module.input_size + module.hidden_size)


def attention_macs(module, query, key, value):
    """Projections of each token, the scores of each pair, and the values gathered by them; batch first or not."""
    batch, many = (0, 1) if module.batch_first else (1, 0)
    n, queries, keys, width = query.shape[batch], query.shape[many], key.shape[many], module.embed_dim
    projected = queries * width * width + keys * width * (module.kdim + module.vdim) + queries * width * width
    return n * (projected + 2 * queries * keys * width)


def macs_of(module, inputs, output):
    """Return the multiply-adds of one call of a layer, 0 of a layer that has none."""
    first = output[0] if isinstance(output, tuple) else output
    if isinstance(module, CONVOLUTIONS):
        return first.shape[0] * prod(first.shape[2:]) * kernel(module)
    if isinstance(module, TRANSPOSED):
        return inputs[0].shape[0] * prod(inputs[0].shape[2:]) * kernel(module)
    if isinstance(module, nn.Linear):
        return first.numel() * module.in_features
    if isinstance(module, nn.Bilinear):
        return first.numel() * module.in1_features * module.in2_features
    if isinstance(module, nn.RNNBase):
        return prod(inputs[0].shape[:-1]) * matrices(module)
    if isinstance(module, nn.RNNCellBase):
        return inputs[0].shape[0] * cell_matrices(module)
    if isinstance(module, nn.MultiheadAttention):
        return attention_macs(module, *inputs[:3])
    if type(module).__name__ == "Attention":  # of the TopFormer: scores and values over positions
        positions = prod(inputs[0].shape[2:])
        return positions * positions * (sum(inputs[2].keys) + sum(inputs[2].values))
    return 0


def params_of(module):
    """Return the parameters of a layer itself, by its settings."""
    if isinstance(module, (*CONVOLUTIONS, *TRANSPOSED)):
        return kernel(module) + (module.bias is not None) * module.out_channels
    if isinstance(module, nn.Linear):
        return module.out_features * (module.in_features + (module.bias is not None))
    if isinstance(module, nn.Bilinear):
        return module.out_features * (module.in1_features * module.in2_features + (module.bias is not None))
    if isinstance(module, nn.RNNBase):
        rows = (
            GATES[module.mode.partition("_")[0]] * module.hidden_size * module.num_layers * (1 + module.bidirectional)
        )
        return matrices(module) + 2 * rows * module.bias
    if isinstance(module, nn.RNNCellBase):
        gates = {"LSTMCell": 4, "GRUCell": 3, "RNNCell": 1}[type(module).__name__]
        return cell_matrices(module) + 2 * gates * module.hidden_size * module.bias
    if isinstance(module, nn.MultiheadAttention):  # the output's projection is a linear layer of its own
        width = module.embed_dim
        return width * (width + module.kdim + module.vdim) + 3 * width * (module.in_proj_bias is not None)
    if isinstance(module, NORMS):
        if isinstance(module, nn.LayerNorm):
            return 2 * prod(module.normalized_shape) * module.elementwise_affine
        return 2 * module.affine * (module.num_channels if isinstance(module, nn.GroupNorm) else module.num_features)
    if isinstance(module, nn.Embedding):
        return module.num_embeddings * module.embedding_dim
    return sum(p.numel() for p in module.parameters(recurse=False))


def count_by_hooks(network, shape):
    """Return parameters and multiply-adds of one input of zeros, on the CPU in evaluation mode."""
    found = []
    inside = {m.out_proj for m in network.modules() if isinstance(m, nn.MultiheadAttention)}  # not called as a layer
    modules = [m for m in network.modules() if m not in inside]
    handles = [m.register_forward_hook(lambda *call: found.append(macs_of(*call))) for m in modules]
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it calls no layer
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an LSTM with projections says that it is slow
            network.eval()(torch.zeros(1, *shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        for handle in handles:
            handle.remove()
    return sum(params_of(m) for m in network.modules()), sum(found)
