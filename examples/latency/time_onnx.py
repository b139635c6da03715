"""Times an ONNX file by onnxruntime, in a process of its own: `python time_onnx.py NETWORK.onnx`.

It prints JSON: the milliseconds of processor time of the quickest of nine rounds, and their median. Another program
could do the same on another device.
"""

import json
import statistics
import sys
import time

import numpy as np
import onnxruntime


def timed(path, rounds=9, passes=100):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    shapes = {each.name: [side if isinstance(side, int) else 1 for side in each.shape] for each in session.get_inputs()}
    inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    milliseconds = []
    for _ in range(rounds + 1):  # the first warms up
        begun = time.process_time()
        for _ in range(passes):
            session.run(None, inputs)
        milliseconds.append(1000 * (time.process_time() - begun) / passes)
    return milliseconds[1:]


if __name__ == "__main__":
    rounds = timed(sys.argv[1])
    print(json.dumps({"ms": min(rounds), "median_ms": statistics.median(rounds)}))
