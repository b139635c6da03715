"""Multiply-adds of ATen operations that `torch.utils.flop_counter` does not cover, and operations without any.

A formula takes the operation's arguments and its result, `out_val`, and returns multiply-adds. An operation that has no
formula and is not listed among those without products is unknown, and a count names it.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import OpOverloadPacket
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Formula = Callable[..., int]

aten = torch.ops.aten


def _matrix(one: Tensor, other: Tensor, *_: Any, **__: Any) -> int:
    """Return the multiply-adds of a product of (..., m, k) and (..., k, n), (m, k) and (k,), or (k,) and (k,)."""
    return one.numel() * (other.shape[-1] if other.dim() > 1 else 1)


def _added_matrix(added: Tensor, one: Tensor, other: Tensor, *_: Any, **__: Any) -> int:
    return _matrix(one, other)


def _outer(added: Tensor, one: Tensor, other: Tensor, *_: Any, **__: Any) -> int:
    return one.numel() * other.numel()


def _transposed(inputs: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    """Return the multiply-adds of inputs (m, k) times weights (n, k)."""
    return inputs.numel() * weight.shape[0]


def _trilinear(
    one: Tensor,
    weight: Tensor,
    other: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    *_: Any,
    **__: Any,
) -> int:
    """Return the number of summed terms; for a bilinear layer one per weight and item."""
    shapes = []
    for tensor, expanded in ((one, expand1), (weight, expand2), (other, expand3)):
        shape = list(tensor.shape)
        for dim in sorted(expanded):
            shape.insert(dim, 1)
        shapes.append(shape)
    return prod(max(sizes) for sizes in zip(*shapes, strict=True))


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Return the multiply-adds of queries (..., heads, q, d), keys (..., heads or fewer, k, d), values (..., k, e)."""
    return int(prod(query.shape[:-1])) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _conv_tbc(inputs: Tensor, weight: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    return out_val.numel() * weight.shape[0] * weight.shape[1]


def _affine_grid(*_: Any, out_val: Tensor, **__: Any) -> int:
    """Return the multiply-adds of a matrix (d, d + 1) times each grid position."""
    return out_val.numel() * (out_val.shape[-1] + 1)


def _embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    *_: Any,
    **__: Any,
) -> int:
    """Return the multiply-adds of a weighted sum of rows; an unweighted sum or mean has none."""
    return 0 if per_sample_weights is None else indices.numel() * weight.shape[1]


def _mkldnn_rnn_layer(inputs: Tensor, of_inputs: Tensor, of_state: Tensor, *_: Any, **__: Any) -> int:
    """Return the multiply-adds of one RNN layer in one direction, inputs (steps, n, features) and two matrices."""
    return int(prod(inputs.shape[:-1])) * (of_inputs.numel() + of_state.numel())


def _fused_rnn(inputs: Tensor, weights: Sequence[Tensor], *_: Any, **__: Any) -> int:
    """Return the multiply-adds of all layers and directions: each matrix once per step and item."""
    return int(prod(inputs.shape[:-1])) * sum(weight.numel() for weight in weights if weight.dim() == 2)


_OWN: dict[str, Formula] = {
    "mv": _matrix,
    "dot": _matrix,
    "vdot": _matrix,
    "_int_mm": _matrix,
    "addmv": _added_matrix,
    "addbmm": _added_matrix,
    "_addmm_activation": _added_matrix,
    "addr": _outer,
    "mkldnn_linear": _transposed,
    "_weight_int8pack_mm": _transposed,
    "_trilinear": _trilinear,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_scaled_dot_product_attention_math_for_mps": _attention,
    "conv_tbc": _conv_tbc,
    "affine_grid_generator": _affine_grid,
    "_embedding_bag": _embedding_bag,
    "_embedding_bag_forward_only": _embedding_bag,
    "mkldnn_rnn_layer": _mkldnn_rnn_layer,
    "_cudnn_rnn": _fused_rnn,
    "miopen_rnn": _fused_rnn,
}


def flop_formulas() -> dict[Any, Callable[..., int]]:
    """Return the flop formula (two per multiply-add) of each operation; torch's own where it exists."""
    packets = {getattr(aten, name): formula for name, formula in _OWN.items() if hasattr(aten, name)}

    def doubled(formula: Formula) -> Callable[..., int]:
        return lambda *args, **kwargs: 2 * formula(*args, **kwargs)

    formulas = {**{packet: doubled(formula) for packet, formula in packets.items()}, **flop_registry}
    in_place = {p: getattr(aten, f"{p.__name__}_", None) for p in formulas if isinstance(p, OpOverloadPacket)}
    return {**{variant: formulas[p] for p, variant in in_place.items() if variant is not None}, **formulas}


# fmt: off
_WITHOUT_PRODUCTS = frozenset({
    # views, copies, and what makes tensors
    "alias", "arange", "as_strided", "as_strided_scatter", "clone", "complex", "copy", "detach", "empty", "empty_like",
    "empty_permuted", "empty_strided", "eye", "fill", "from_file", "full", "full_like", "lift", "lift_fresh",
    "linspace", "logspace", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros", "ones", "ones_like",
    "polar", "range", "resize", "resize_as", "scalar_tensor", "set", "t", "to", "transpose", "squeeze", "unsqueeze",
    "tril_indices", "triu_indices", "zero", "zeros", "zeros_like", "_copy_from", "_copy_from_and_resize",
    "_efficientzerotensor", "_lazy_clone", "_pin_memory", "_resize_output", "_to_copy", "_to_dense", "_unsafe_view",
    "_reshape_copy", "_mkldnn_reshape", "_mkldnn_transpose", "to_mkldnn", "_conj", "_conj_physical", "_neg_view",
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window", "fft_fftfreq",
    "fft_rfftfreq", "record_stream", "view", "_reshape_alias", "reshape", "expand", "_nested_from_padded",
    "_nested_from_padded_and_nested_example", "_nested_from_padded_tensor", "_nested_tensor_from_mask",
    "_nested_tensor_from_mask_left_aligned", "_nested_tensor_from_tensor_list", "_nested_tensor_size",
    "_nested_tensor_storage_offsets", "_nested_tensor_strides", "_nested_view_from_buffer", "_nested_get_offsets",
    "_nested_get_lengths", "_nested_get_values", "_nested_get_jagged_dummy", "_nested_get_max_seqlen",
    "_nested_get_min_seqlen", "_nested_get_ragged_idx", "_nested_view_from_jagged",
    "_nested_compute_contiguous_strides_offsets", "to_padded_tensor", "_jagged_to_padded_dense_forward",
    "_padded_dense_to_jagged_forward", "_pack_padded_sequence", "_pad_packed_sequence",
    # joining, cutting, indexing, moving
    "_chunk_cat", "_index_put_impl", "_stack", "_unsafe_index", "_unsafe_index_put", "_unsafe_masked_index",
    "_unsafe_masked_index_put_accumulate", "block_diag", "cat", "channel_shuffle", "col2im", "constant_pad_nd",
    "diag_embed", "diagonal_scatter", "embedding", "embedding_renorm", "flip", "gather", "im2col", "index",
    "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "index_select", "masked_scatter",
    "masked_select", "nonzero", "nonzero_static", "pixel_shuffle", "pixel_unshuffle", "put", "reflection_pad1d",
    "reflection_pad2d", "reflection_pad3d", "repeat", "repeat_interleave", "replication_pad1d", "replication_pad2d",
    "replication_pad3d", "roll", "rot90", "scatter", "scatter_add", "scatter_reduce", "segment_reduce",
    "select_scatter", "slice_scatter", "split", "split_with_sizes", "stack", "take", "tril", "triu", "unsafe_split",
    "unsafe_split_with_sizes",
    # sorting, comparing, asking
    "_linalg_check_errors",
    "_assert_async", "_assert_scalar", "_assert_tensor_metadata", "_functional_assert_async", "_is_all_true",
    "_is_any_true", "_functional_assert_scalar", "_has_same_storage_numel", "_local_scalar_dense", "_print", "_unique",
    "_unique2", "allclose", "argsort", "bincount", "bucketize", "equal", "histc", "histogram", "is_pinned",
    "is_same_size", "is_set_to", "isin", "item", "kthvalue", "mode", "searchsorted", "sort", "topk",
    "unique_consecutive", "unique_dim", "unique_dim_consecutive", "count_nonzero", "hash_tensor",
    # reductions and running ones
    "_aminmax", "_cummax_helper", "_cummin_helper", "_logcumsumexp", "all", "amax", "amin", "aminmax", "any", "argmax",
    "argmin", "cummax", "cummin", "cumprod", "cumsum", "linalg__powsum", "linalg_vector_norm", "logcumsumexp",
    "logsumexp", "max", "mean", "median", "min", "nanmedian", "nansum", "native_norm", "norm", "prod", "std",
    "std_mean", "sum", "trace", "var", "var_mean", "renorm", "dist", "linalg_cross",
    # normalisation, activation, losses
    "_add_relu", "_batch_norm_no_update", "_batch_norm_with_update", "_batch_norm_with_update_functional",
    "_fused_rms_norm", "_log_softmax", "_masked_softmax", "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional", "_native_batch_norm_legit_no_training", "_nested_tensor_softmax_with_shape",
    "_prelu_kernel", "_safe_softmax", "_softmax", "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell",
    "_transform_bias_rescale_qkv", "_weight_norm_interface", "batch_norm_elemt", "batch_norm_gather_stats",
    "batch_norm_gather_stats_with_counts", "batch_norm_stats", "batch_norm_update_stats", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "cudnn_batch_norm", "glu", "hardswish", "huber_loss", "log_sigmoid_forward",
    "log_softmax", "miopen_batch_norm", "mse_loss", "multi_margin_loss", "multilabel_margin_loss_forward",
    "native_batch_norm", "native_group_norm", "native_layer_norm", "nll_loss2d_forward", "nll_loss_forward",
    "rrelu_with_noise", "rrelu_with_noise_functional", "smooth_l1_loss", "soft_margin_loss", "softmax",
    # pooling and resampling: windows and weights that are no parameters
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa",
    "_upsample_lanczos2d_aa", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
    "_grid_sampler_2d_cpu_fallback", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "cudnn_grid_sampler",
    "fractional_max_pool2d", "fractional_max_pool3d", "grid_sampler_2d", "grid_sampler_3d",
    "max_pool2d_with_indices", "max_pool3d_with_indices", "max_unpool2d", "max_unpool3d", "mkldnn_adaptive_avg_pool2d",
    "mkldnn_max_pool2d", "mkldnn_max_pool3d", "quantized_max_pool1d", "quantized_max_pool2d", "quantized_max_pool3d",
    "upsample_bicubic2d", "upsample_bilinear2d", "upsample_linear1d", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "upsample_trilinear3d",
    # chance
    "_fused_dropout", "_masked_scale", "_sample_dirichlet", "_standard_gamma", "bernoulli", "binomial", "cauchy",
    "exponential", "geometric", "log_normal", "multinomial", "native_dropout", "normal", "normal_functional",
    "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "random", "randperm", "uniform",
    # quantisation of values
    "_fake_quantize_learnable_per_channel_affine", "_fake_quantize_learnable_per_tensor_affine",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", "_fused_moving_avg_obs_fq_helper",
    "_fused_moving_avg_obs_fq_helper_functional", "_make_per_channel_quantized_tensor",
    "_make_per_tensor_quantized_tensor", "dequantize", "fake_quantize_per_channel_affine_cachemask",
    "fake_quantize_per_tensor_affine_cachemask", "int_repr", "q_scale", "q_zero_point", "q_per_channel_axis",
    "q_per_channel_scales", "q_per_channel_zero_points", "qscheme", "quantize_per_channel", "quantize_per_tensor",
    "quantize_per_tensor_dynamic",
})
# fmt: on
_HARMLESS_NAMESPACES = frozenset({"prim", "profiler"})


def has_no_products(operation: Any) -> bool:
    """Whether an operation is known to contain no multiply-adds.

    Elementwise ones have none by convention, whatever they multiply.
    """
    if operation.namespace in _HARMLESS_NAMESPACES:
        return True
    if operation.namespace != "aten":
        return False
    if operation.is_view or torch.Tag.pointwise in operation.tags:
        return True
    name = operation.overloadpacket.__name__
    names = {name, name.removesuffix("_copy"), name.rstrip("_")}
    return (
        not names.isdisjoint(_WITHOUT_PRODUCTS)
        or name.startswith(("sym_", "_foreach_", "is_", "_to_sparse"))
        or any(_is_pointwise(other) for other in names)
    )


def _is_pointwise(name: str) -> bool:
    packet = getattr(aten, name, None)
    return packet is not None and any(torch.Tag.pointwise in getattr(packet, o).tags for o in packet.overloads())
