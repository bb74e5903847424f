//! Kernels, where there is a GPU or the emulator.

use dfdx::tensor::{Cpu, Cuda, Storage};

use super::*;
use crate::contract::Precision;
use crate::ops::{Activation, Conv2d, Layer, LayerBackward, Nchw, from_host, len, to_host};

fn noise(count: usize, salt: u64) -> Vec<f32> {
    crate::random::uniform(count, salt)
        .into_iter()
        .map(|v| 2.0 * v - 1.0)
        .collect()
}

fn differs(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(1e-6f64, |m, v| m.max(f64::from(v.abs())));
    found
        .iter()
        .zip(expected)
        .fold(0.0f64, |m, (a, b)| m.max(f64::from((a - b).abs())))
        / largest
}

fn both<Op: Copy>(cuda: &Cuda, op: Op, x: Nchw, w: Nchw, bias: usize) -> Vec<f64>
where
    Cpu: Layer<Op>,
    Cuda: Layer<Op>,
{
    let cpu = Cpu::default();
    let (xs, ws, bs) = (noise(len(x), 1), noise(len(w), 2), noise(bias, 3));
    let run_cpu = || {
        let (i, w_, b) = (
            from_host(&cpu, xs.clone(), x),
            from_host(&cpu, ws.clone(), w),
            from_host(&cpu, bs.clone(), (1, bias, 1, 1)),
        );
        let (y, kept) = cpu.forward(op, &i, &w_, &b).unwrap();
        let out = to_host(&y);
        let mut incoming = Storage::<f32>::try_alloc_len(&cpu, out.len()).unwrap();
        incoming.copy_from_slice(&noise(out.len(), 4));
        let mut gi = Storage::<f32>::try_alloc_len(&cpu, xs.len()).unwrap();
        let mut gw = Storage::<f32>::try_alloc_len(&cpu, ws.len()).unwrap();
        let mut gb = Storage::<f32>::try_alloc_len(&cpu, bs.len()).unwrap();
        cpu.backward(
            op,
            kept,
            LayerBackward {
                input: &i,
                weight: &w_,
                output: &y,
                incoming,
                to_input: Some(&mut gi),
                to_parameters: Some((&mut gw, &mut gb)),
            },
        )
        .unwrap();
        [out, gi.to_vec(), gw.to_vec(), gb.to_vec()]
    };
    let run_cuda = || {
        use crate::ops::Memory;
        let (i, w_, b) = (
            from_host(cuda, xs.clone(), x),
            from_host(cuda, ws.clone(), w),
            from_host(cuda, bs.clone(), (1, bias, 1, 1)),
        );
        let (y, kept) = cuda.forward(op, &i, &w_, &b).unwrap();
        let out = to_host(&y);
        let mut incoming = Storage::<f32>::try_alloc_len(cuda, out.len()).unwrap();
        cuda.write(&noise(out.len(), 4), &mut incoming).unwrap();
        let mut gi = Storage::<f32>::try_alloc_len(cuda, xs.len()).unwrap();
        let mut gw = Storage::<f32>::try_alloc_len(cuda, ws.len()).unwrap();
        let mut gb = Storage::<f32>::try_alloc_len(cuda, bs.len()).unwrap();
        cuda.backward(
            op,
            kept,
            LayerBackward {
                input: &i,
                weight: &w_,
                output: &y,
                incoming,
                to_input: Some(&mut gi),
                to_parameters: Some((&mut gw, &mut gb)),
            },
        )
        .unwrap();
        [
            out,
            cuda.read(&gi).unwrap(),
            cuda.read(&gw).unwrap(),
            cuda.read(&gb).unwrap(),
        ]
    };
    run_cuda()
        .iter()
        .zip(run_cpu())
        .map(|(a, b)| differs(a, &b))
        .collect()
}

#[test]
fn convolutions() {
    use crate::ops::{ConvPool2d, ConvTranspose2d, Pool2d};
    for precision in [Precision::Float32, Precision::Tf32] {
        let cuda = open(precision).unwrap();
        with_precision(precision, || {
            for (x, f, k, stride, padding) in [
                ((2, 3, 9, 7), 5, (3, 3), 1, 1),
                ((3, 16, 8, 8), 40, (3, 3), 1, 1),
                ((2, 20, 11, 9), 70, (4, 4), 2, 1),
                ((1, 1, 6, 5), 1, (1, 2), 1, 0),
                ((2, 33, 7, 7), 130, (5, 3), 3, 2),
                ((2, 17, 4, 4), 9, (2, 2), 3, 0),
            ] {
                let op = Conv2d {
                    stride,
                    padding,
                    activation: Activation::LeakyRelu,
                };
                let w = (f, x.1, k.0, k.1);
                println!(
                    "{precision} conv {x:?} {w:?} {stride} {padding}: {:?}",
                    both(&cuda, op, x, w, f)
                );
                if op.output_size(x.2, k.0).unwrap() >= 2 && op.output_size(x.3, k.1).unwrap() >= 2
                {
                    let op = ConvPool2d {
                        conv: op,
                        pool: Pool2d {
                            kernel: 2,
                            stride: 2,
                        },
                    };
                    println!("   pool: {:?}", both(&cuda, op, x, w, f));
                }
                let op = ConvTranspose2d {
                    stride,
                    padding,
                    activation: Activation::Tanh,
                };
                if op.output_size(x.2, k.0).is_some() && op.output_size(x.3, k.1).is_some() {
                    let w = (x.1, f, k.0, k.1);
                    println!("   transposed: {:?}", both(&cuda, op, x, w, f));
                }
            }
            let dense = crate::ops::dense::Dense {
                activation: Activation::Relu,
            };
            println!(
                "dense {:?}",
                both(&cuda, dense, (7, 50, 1, 1), (20, 50, 1, 1), 20)
            );
        });
    }
}
