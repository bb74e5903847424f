//! Translates layers to nodes of an ONNX graph.

use contract::Invalid;
use ops::{Activation, LEAKY_SLOPE};

use super::layers::Computed;
use super::proto::{Attribute, Node, Tensor};
use crate::nets::{Conv, Feature, Join, Layer, Normalize, Pool, conv_padding, transposed_padding};

/// The nodes so far. They form a chain: each one takes the output of the one before it.
pub(super) struct Builder {
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: Vec<Tensor>,
    /// Name of the last output.
    pub(super) current: String,
    /// `true` if the last output has two dimensions, examples and features, and not four.
    is_flat: bool,
}

impl Builder {
    /// Starts with the input `name`, which has two dimensions if `is_flat`, and else four.
    pub(super) fn new(name: &str, is_flat: bool) -> Self {
        Self {
            nodes: Vec::new(),
            initializers: Vec::new(),
            current: name.to_owned(),
            is_flat,
        }
    }

    /// Adds a node that computes `op` of the last output and of the initializers `tensors`.
    pub(super) fn add(
        &mut self,
        name: &str,
        op: &str,
        tensors: &[&str],
        attributes: Vec<Attribute>,
    ) {
        let mut input = vec![self.current.clone()];
        input.extend(tensors.iter().map(|&tensor| tensor.to_owned()));
        self.nodes.push(Node {
            input,
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op.to_owned(),
            attribute: attributes,
        });
        name.clone_into(&mut self.current);
    }

    /// Adds an initializer.
    pub(super) fn constant(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.initializers.push(Tensor::floats(name, dims, values));
    }

    /// Adds the nodes of a layer.
    pub(super) fn layer(&mut self, computed: Computed) -> Result<(), Invalid> {
        let Computed {
            name,
            layer,
            input,
            output: _,
            tensors,
            inner,
        } = computed;
        if let Some((join, chains)) = inner {
            return self.joined(&name, join, chains, input);
        }
        let mut names = Vec::new();
        for tensor in &tensors {
            names.push(tensor.name.as_str());
            self.constant(&tensor.name, &tensor.dimensions, &tensor.values);
        }
        let needs_image = !matches!(
            layer,
            Layer::Dense(_)
                | Layer::Flatten {}
                | Layer::Reshape(_)
                | Layer::BatchNorm(_)
                | Layer::Activation(_)
        );
        if needs_image {
            self.image(&format!("{name}.image"), input);
        }
        match &layer {
            Layer::Conv(conv) => self.convolution(&name, conv, &names, input)?,
            Layer::DepthwiseConv(conv) => {
                self.convolution(&name, &conv.conv(input.channels), &names, input)?;
            }
            Layer::ConvTranspose(conv) => {
                let padding = transposed_padding(conv.padding, conv.kernel, conv.stride)?;
                let window = window(
                    [conv.kernel; 2],
                    [conv.stride; 2],
                    ops::Padding::all(padding),
                );
                self.add(&name, "ConvTranspose", &names, window);
            }
            Layer::Dense(_) => {
                self.flatten(&format!("{name}.features"));
                let transposed = vec![Attribute::int("transB", 1)];
                self.add(&name, "Gemm", &names, transposed);
            }
            Layer::BatchNorm(norm) => {
                let epsilon = vec![Attribute::float("epsilon", norm.epsilon)];
                self.add(&name, "BatchNormalization", &names, epsilon);
            }
            Layer::MaxPool(pool) => self.pool(&name, "MaxPool", pool),
            Layer::AvgPool(pool) => self.pool(&name, "AveragePool", pool),
            Layer::LayerNorm(norm) => self.group_norm(&name, 1, norm.epsilon, &names, input),
            Layer::GroupNorm(norm) => {
                self.group_norm(&name, norm.groups, norm.epsilon, &names, input);
            }
            Layer::GlobalMaxPool {} => self.add(&name, "GlobalMaxPool", &[], Vec::new()),
            Layer::GlobalAvgPool {} => self.add(&name, "GlobalAveragePool", &[], Vec::new()),
            Layer::Flatten {} => self.flatten(&name),
            Layer::Reshape(to) => {
                self.reshape(&name, Feature::new(to.channels, to.height, to.width));
            }
            Layer::Upsample(factor) => self.upsample(&name, *factor),
            Layer::Normalize(constants) => self.normalize(&name, constants, input)?,
            Layer::Dropout(_)
            | Layer::SpatialDropout(_)
            | Layer::Activation(_)
            | Layer::SeparableConv(_)
            | Layer::Residual(_)
            | Layer::Concat(_)
            | Layer::SqueezeExcite(_)
            | Layer::InvertedResidual(_) => {}
        }
        if let Some(activation) = layer.activation() {
            self.activation(&name, activation);
        }
        Ok(())
    }

    fn convolution(
        &mut self,
        name: &str,
        conv: &Conv,
        tensors: &[&str],
        input: Feature,
    ) -> Result<(), Invalid> {
        let mut attributes = window(conv.kernel.0, conv.stride.0, conv_padding(conv, input)?);
        attributes.push(Attribute::ints("dilations", conv.dilation.0));
        attributes.push(Attribute::int("group", conv.groups as i64));
        self.add(name, "Conv", tensors, attributes);
        Ok(())
    }

    fn pool(&mut self, name: &str, op: &str, pool: &Pool) {
        let padding = ops::Padding::all(0);
        self.add(name, op, &[], window(pool.kernel.0, pool.stride.0, padding));
    }

    /// Normalizes groups of channels as instances of one channel each, because there is no operator for groups before
    /// operator set 18.
    fn group_norm(
        &mut self,
        name: &str,
        groups: usize,
        epsilon: f32,
        tensors: &[&str],
        input: Feature,
    ) {
        let named = |part: &str| format!("{name}.{part}");
        let [grouped, ones, zeros] = ["groups", "ones", "zeros"].map(named);
        // A side of 0 is that of the input, and one of -1 takes what is left.
        let shape = Tensor::integers(&grouped, &[0, groups as i64, -1]);
        self.initializers.push(shape);
        self.add(&named("grouped"), "Reshape", &[&grouped], Vec::new());
        self.constant(&ones, &[groups], &vec![1.0; groups]);
        self.constant(&zeros, &[groups], &vec![0.0; groups]);
        let attributes = vec![Attribute::float("epsilon", epsilon)];
        let op = "InstanceNormalization";
        self.add(&named("normalized"), op, &[&ones, &zeros], attributes);
        self.reshape(&named("image"), input);
        for (tensor, op) in tensors.iter().zip(["Mul", "Add"]) {
            let shape = format!("{tensor}.shape");
            let sides = [1, input.channels as i64, 1, 1];
            self.initializers.push(Tensor::integers(&shape, &sides));
            let image = format!("{tensor}.image");
            self.nodes.push(Node {
                input: vec![(*tensor).to_owned(), shape],
                output: vec![image.clone()],
                name: image.clone(),
                op_type: "Reshape".to_owned(),
                attribute: Vec::new(),
            });
            self.add(&named(&op.to_lowercase()), op, &[&image], Vec::new());
        }
    }

    /// Adds chains that all take the last output, and joins their outputs.
    fn joined(
        &mut self,
        name: &str,
        join: Join,
        chains: Vec<Vec<Computed>>,
        input: Feature,
    ) -> Result<(), Invalid> {
        // All branches have images, of one pixel if need be.
        self.image(&format!("{name}.image"), input);
        let start = self.current.clone();
        let mut ends = Vec::new();
        for (branch, chain) in chains.into_iter().enumerate() {
            self.current.clone_from(&start);
            self.is_flat = false;
            let shape = chain.last().map_or(input, |last| last.output);
            for layer in chain {
                self.layer(layer)?;
            }
            self.image(&format!("{name}.{branch}.image"), shape);
            ends.push(self.current.clone());
        }
        let (op, attributes) = match join {
            Join::Only | Join::Concat => ("Concat", vec![Attribute::int("axis", 1)]),
            Join::Add => ("Add", Vec::new()),
            Join::Scale => {
                ends.insert(0, start);
                ("Mul", Vec::new())
            }
        };
        self.current = ends.remove(0);
        let others: Vec<&str> = ends.iter().map(String::as_str).collect();
        self.add(name, op, &others, attributes);
        Ok(())
    }

    /// Makes one row of each example, if it is not one yet. Values are ordered by channel, then row, then column.
    pub(super) fn flatten(&mut self, name: &str) {
        if !self.is_flat {
            self.add(name, "Flatten", &[], vec![Attribute::int("axis", 1)]);
            self.is_flat = true;
        }
    }

    /// Makes an image of each example, if it is not one yet.
    pub(super) fn image(&mut self, name: &str, shape: Feature) {
        if self.is_flat {
            self.reshape(name, shape);
        }
    }

    fn reshape(&mut self, name: &str, to: Feature) {
        let shape = format!("{name}.shape");
        let sides = [to.channels, to.height, to.width].map(|side| side as i64);
        let dims = [&[-1], sides.as_slice()].concat();
        self.initializers.push(Tensor::integers(&shape, &dims));
        self.add(name, "Reshape", &[&shape], Vec::new());
        self.is_flat = false;
    }

    /// Repeats each pixel `factor` times in both directions.
    fn normalize(
        &mut self,
        name: &str,
        constants: &Normalize,
        input: Feature,
    ) -> Result<(), Invalid> {
        let channels = input.channels;
        let [mean, deviation] = constants
            .constants(channels)
            .ok_or_else(|| Invalid::new("the constants of `normalize` do not fit its input"))?;
        let dims = [1, channels, 1, 1];
        let names = [format!("{name}.mean"), format!("{name}.deviation")];
        self.constant(&names[0], &dims, &mean);
        self.constant(&names[1], &dims, &deviation);
        self.add(&format!("{name}.centered"), "Sub", &[&names[0]], Vec::new());
        self.add(name, "Div", &[&names[1]], Vec::new());
        Ok(())
    }

    fn upsample(&mut self, name: &str, factor: usize) {
        let scales = format!("{name}.scales");
        let factor = factor as f32;
        self.constant(&scales, &[4], &[1.0, 1.0, factor, factor]);
        let attributes = vec![
            Attribute::text("coordinate_transformation_mode", "asymmetric"),
            Attribute::text("mode", "nearest"),
            Attribute::text("nearest_mode", "floor"),
        ];
        // The second input, a region of interest, is not used by this mode.
        self.add(name, "Resize", &["", &scales], attributes);
    }

    fn activation(&mut self, layer: &str, activation: Activation) {
        let x = self.current.clone();
        let (op, attributes) = match activation {
            Activation::Linear => return,
            Activation::Relu => ("Relu", Vec::new()),
            Activation::LeakyRelu => ("LeakyRelu", vec![Attribute::float("alpha", LEAKY_SLOPE)]),
            Activation::Elu => ("Elu", vec![Attribute::float("alpha", 1.0)]),
            Activation::Sigmoid => ("Sigmoid", Vec::new()),
            Activation::Tanh => ("Tanh", Vec::new()),
            Activation::Relu6 => {
                let [low, high] = ["low", "high"].map(|bound| format!("{layer}.{bound}"));
                self.constant(&low, &[], &[0.0]);
                self.constant(&high, &[], &[6.0]);
                return self.add(&format!("{layer}.clip"), "Clip", &[&low, &high], Vec::new());
            }
            Activation::HardSigmoid => ("HardSigmoid", vec![Attribute::float("alpha", 1.0 / 6.0)]),
            Activation::HardSwish => ("HardSwish", Vec::new()),
            Activation::Silu => {
                self.add(&format!("{layer}.sigmoid"), "Sigmoid", &[], Vec::new());
                return self.add(&format!("{layer}.silu"), "Mul", &[&x], Vec::new());
            }
            Activation::Gelu => return self.gelu(layer, &x),
        };
        self.add(
            &format!("{layer}.{}", op.to_lowercase()),
            op,
            &[],
            attributes,
        );
    }

    /// Adds x · (1 + erf(x / √2)) / 2. `Gelu` is an operator only from operator set 20.
    fn gelu(&mut self, layer: &str, x: &str) {
        let [root, one, half] = ["root", "one", "half"].map(|name| format!("{layer}.{name}"));
        self.constant(&root, &[], &[std::f32::consts::SQRT_2]);
        self.constant(&one, &[], &[1.0]);
        self.constant(&half, &[], &[0.5]);
        for (name, op, operand) in [
            ("scaled", "Div", Some(root.as_str())),
            ("erf", "Erf", None),
            ("raised", "Add", Some(&one)),
            ("twice", "Mul", Some(x)),
            ("gelu", "Mul", Some(&half)),
        ] {
            self.add(
                &format!("{layer}.{name}"),
                op,
                operand.as_slice(),
                Vec::new(),
            );
        }
    }
}

/// Returns the attributes of a window.
fn window(kernel: [usize; 2], stride: [usize; 2], padding: ops::Padding) -> Vec<Attribute> {
    let ops::Padding {
        top,
        bottom,
        left,
        right,
    } = padding;
    vec![
        Attribute::ints("kernel_shape", kernel),
        Attribute::ints("strides", stride),
        Attribute::ints("pads", [top, left, bottom, right]),
    ]
}
