//! The layers on flex: kernels of our own.

use burn::{
    backend::Flex,
    tensor::{TensorData, TensorMetadata},
};
use burn_flex::FlexTensor;

use super::{
    LayerBackend, Window, convolution,
    geometry::Geometry,
    matmul::{Matrix, matmul},
    pooling::Pooling,
};

mod learning;

impl LayerBackend for Flex {
    fn layer_matmul(left: FlexTensor, right: FlexTensor) -> FlexTensor {
        let (left, right) = (strided(left), strided(right));
        product(matrix(&left), matrix(&right))
    }

    fn layer_conv2d(input: FlexTensor, weight: FlexTensor, bias: Option<FlexTensor>, window: Window) -> FlexTensor {
        let geometry = geometry(&input, &weight, window);
        let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
        let bias = bias.map(|bias| bias.to_contiguous());
        let output = convolution::forward(
            geometry,
            input.storage(),
            weight.storage(),
            bias.as_ref().map(FlexTensor::storage),
        );
        let [height, width] = geometry.output;
        tensor(output, [geometry.outputs, geometry.images, height, width])
    }

    fn layer_max_pool2d(input: FlexTensor, window: Window) -> FlexTensor {
        pool(input, window, false).output
    }

    fn layer_relu_max_pool2d(input: FlexTensor, window: Window) -> FlexTensor {
        pool(input, window, true).output
    }
}

/// A matrix as it lies in memory, or a copy of it when it is flipped or repeats itself.
fn strided(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().strides().iter().all(|&step| step > 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// A matrix that [`strided`] gave.
fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let steps = tensor.layout().strides();
    Matrix {
        values: &tensor.storage()[tensor.layout().start_offset()..],
        shape: tensor.shape().dims(),
        steps: [steps[0].unsigned_abs(), steps[1].unsigned_abs()],
    }
}

fn product(left: Matrix<'_>, right: Matrix<'_>) -> FlexTensor {
    tensor(matmul(left, right), [left.shape[0], right.shape[1]])
}

fn geometry(input: &FlexTensor, weight: &FlexTensor, window: Window) -> Geometry {
    Geometry::new(input.shape().dims(), weight.shape().dims::<4>()[0], window)
}

/// A pooling's output and what its gradient needs.
struct Pooled {
    output: FlexTensor,
    places: Vec<u16>,
    pooling: Pooling,
}

fn pool(input: FlexTensor, window: Window, rectify: bool) -> Pooled {
    let [channels, images, height, width] = input.shape().dims();
    let pooling = Pooling {
        planes: channels * images,
        plane: [height, width],
        window,
        rectify,
    };
    let (largest, places) = pooling.forward(input.to_contiguous().storage());
    let [height, width] = window.output(height, width);
    Pooled {
        output: tensor(largest, [channels, images, height, width]),
        places,
        pooling,
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
