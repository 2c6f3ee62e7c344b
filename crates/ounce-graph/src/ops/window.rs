//! How a window slides over an image: the geometry that convolutions and pooling share.

use crate::error::OpError;

/// Strides, padding and dilation, vertical before horizontal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// Distance of two places of the window.
    pub stride: [usize; 2],
    /// Rows or columns added before the image: top, left.
    pub before: [usize; 2],
    /// Rows or columns added after the image: bottom, right.
    pub after: [usize; 2],
    /// Distance of two taps of the window.
    pub dilation: [usize; 2],
}

impl Default for Window {
    fn default() -> Self {
        Self { stride: [1, 1], before: [0, 0], after: [0, 0], dilation: [1, 1] }
    }
}

impl Window {
    /// The same stride and the same padding on all sides.
    pub fn square(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], before: [padding; 2], after: [padding; 2], dilation: [1; 2] }
    }

    /// The extents of the result for an image and a window of the given extents.
    ///
    /// # Errors
    /// If a stride or dilation is 0, the window is empty or larger than the padded image, or extents overflow.
    pub fn output(&self, image: [usize; 2], kernel: [usize; 2]) -> Result<[usize; 2], OpError> {
        let mut output = [0; 2];
        for axis in 0..2 {
            if self.stride[axis] == 0 || self.dilation[axis] == 0 || kernel[axis] == 0 {
                return Err(OpError::attribute(
                    "window",
                    "strides, dilations and kernel extents must be at least 1",
                ));
            }
            let span = (kernel[axis] - 1).checked_mul(self.dilation[axis]).and_then(|s| s.checked_add(1));
            let padded =
                image[axis].checked_add(self.before[axis]).and_then(|n| n.checked_add(self.after[axis]));
            let (Some(span), Some(padded)) = (span, padded) else {
                return Err(OpError::attribute("window", "padding or dilation is too large to address"));
            };
            let Some(room) = padded.checked_sub(span) else {
                let problem = format!("it spans {span}, more than the padded extent {padded} of axis {axis}");
                return Err(OpError::attribute("window", problem));
            };
            output[axis] = room / self.stride[axis] + 1;
        }
        Ok(output)
    }

    /// Checks that the window covers something of the image at every place.
    ///
    /// # Errors
    /// If a padding is as wide as the window.
    pub(crate) fn check_inside(&self, kernel: [usize; 2]) -> Result<(), OpError> {
        for axis in 0..2 {
            let reach = (kernel[axis] - 1) * self.dilation[axis] + 1;
            if self.before[axis] >= reach || self.after[axis] >= reach {
                let problem = "a padding as wide as the window leaves places with nothing inside";
                return Err(OpError::attribute("window", problem));
            }
        }
        Ok(())
    }

    /// The place in the image that tap `tap` of the window at place `at` reads, or `None` in the padding.
    #[inline(always)]
    pub fn place(&self, axis: usize, at: usize, tap: usize, extent: usize) -> Option<usize> {
        let place = (at * self.stride[axis] + tap * self.dilation[axis]).wrapping_sub(self.before[axis]);
        (place < extent).then_some(place)
    }

    /// The place of the window at which its tap `tap` reads place `place` of the image, if there is one below `count`.
    #[inline(always)]
    pub fn reader(&self, axis: usize, place: usize, tap: usize, count: usize) -> Option<usize> {
        let distance = (place + self.before[axis]).checked_sub(tap * self.dilation[axis])?;
        let at = distance / self.stride[axis];
        (distance % self.stride[axis] == 0 && at < count).then_some(at)
    }
}
