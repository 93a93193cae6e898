//! Times of one convolution.

use sagittal_tensor::{ConvSpec, Device, Padding, Tensor, TensorData, conv};

use super::{
    Passes, timing,
    work::{Convolution, kernel},
};

/// Forward without a graph; and forward with the gradients of input, weights and bias.
pub(super) fn time(work: &Convolution, device: &Device) -> anyhow::Result<Passes> {
    let spec = ConvSpec { c_in: work.c_in, c_out: work.c_out, kernel: kernel(work.size), stride: [1; 3], padding: Padding::Same };
    let [z, y, x] = work.size;
    let shape = [work.batch, z, y, x, work.c_in];
    let input = Tensor::<5>::from_data(TensorData::new(timing::noise(shape.iter().product()), shape), device.plain());
    let vector = |n: usize| Tensor::<1>::from_data(TensorData::new(timing::noise(n), [n]), device.plain());
    let (weight, bias) = (vector(spec.n_weights()), vector(spec.c_out));
    let forward_ms = timing::median_ms(|| {
        conv(input.clone(), weight.clone(), bias.clone(), spec);
        device.wait();
        Ok(())
    })?;
    let train_ms = timing::median_ms(|| {
        let input = input.clone().autodiff().require_grad();
        let [weight, bias] = [&weight, &bias].map(|parameter| parameter.clone().autodiff().require_grad());
        // From a gradient of ones: what it holds makes no difference to the time.
        conv(input, weight, bias, spec).backward();
        device.wait();
        Ok(())
    })?;
    Ok(Passes { forward_ms, train_ms })
}
