//! The geometry of convolutions.

/// The geometry of a convolution of images `[batch, channels, height, width]` with a kernel `[outputs, channels / groups, height, width]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvGeometry {
    /// Images.
    pub batch: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Channels of the result.
    pub outputs: usize,
    /// Height and width of the result.
    pub places: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Groups, of which both numbers of channels are multiples.
    pub groups: usize,
    /// Distance of two places of the window, vertical before horizontal.
    pub stride: [usize; 2],
    /// Rows and columns of padding before the image.
    pub before: [usize; 2],
    /// Distance of two taps of the window.
    pub dilation: [usize; 2],
}

impl ConvGeometry {
    pub(crate) fn image_len(&self) -> usize {
        self.image[0] * self.image[1]
    }

    pub(crate) fn places_len(&self) -> usize {
        self.places[0] * self.places[1]
    }

    /// Products of a sum.
    pub(crate) fn depth(&self) -> usize {
        self.channels / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// Whether the result's element is made of the image's at the same place alone.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.before == [0, 0] && self.places == self.image
    }

    /// Whether every channel is convolved by itself.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups == self.channels && self.outputs == self.channels
    }

    /// What windows reach, from the first element of the padded image; the largest number where that is beyond all.
    pub(crate) fn span(&self, axis: usize) -> usize {
        let places = (self.places[axis] - 1).saturating_mul(self.stride[axis]);
        let kernel = (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]);
        places.saturating_add(kernel).saturating_add(1)
    }
}
