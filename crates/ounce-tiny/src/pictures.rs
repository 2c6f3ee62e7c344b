//! Pictures as what networks take.
//!
//! Quantized networks for pictures take signed bytes: a pixel of 0 to 255 less 128, which stands for -1 to 1 (MCUNetV3: `255 p - 127.5` with scale 1/127.5) or for 0 to 1
//! (TensorFlow Lite), as their first scale and zero point say. Networks in floats take -1 to 1.

use ounce_data::{Picture, resize};
use ounce_graph::{DType, Tensor, TensorType};

/// A network that takes no picture.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("the network takes {0}, not one picture: [1, 3, height, width] in i8 or f32")]
pub struct NoPicture(pub TensorType);

/// What a network that takes `ty` sees of a picture: `[1, 3, H, W]` in i8, from -128 to 127, or in f32, from -1 to 1.
///
/// The whole picture is resized to `H x W`, bilinearly as PyTorch does without antialiasing; a picture more than twice as high and as wide is averaged over blocks first.
/// Bytes are rounded to nearest, so that a pixel that stays as it is becomes itself less 128.
///
/// # Errors
/// If the network takes something else than one image of three channels.
pub fn image(picture: &Picture, ty: &TensorType) -> Result<Tensor, NoPicture> {
    let refused = || NoPicture(ty.clone());
    let target = match ty.shape[..] {
        [1, 3, height, width] if height > 0 && width > 0 => [height, width],
        _ => return Err(refused()),
    };
    let (planes, extents) = reduced(picture, target);
    let pixels = resize::bilinear(&planes, extents, target).into_iter();
    let tensor = match ty.dtype {
        DType::I8 => Tensor::i8(&ty.shape, pixels.map(byte).collect()),
        DType::F32 => Tensor::f32(&ty.shape, pixels.map(|x| x / 127.5 - 1.0).collect()),
        _ => return Err(refused()),
    };
    tensor.map_err(|_| refused())
}

/// A pixel of 0 to 255 as a signed byte: the integer nearest to `x - 127.5`, the lower one of two.
fn byte(x: f32) -> i8 {
    // The cast saturates.
    (x - 128.0).ceil() as i8
}

/// The planes of a picture, averaged over blocks of as many pixels as keep it at least as large as the target.
fn reduced(picture: &Picture, target: [usize; 2]) -> (Vec<f32>, [usize; 2]) {
    let extents = [picture.height(), picture.width()];
    let block = (extents[0] / target[0]).min(extents[1] / target[1]);
    let planes = picture.planes();
    if block < 2 {
        return (planes, extents);
    }
    let small = extents.map(|extent| extent / block);
    let mut reduced = Vec::with_capacity(3 * small[0] * small[1]);
    for plane in planes.chunks_exact(extents[0] * extents[1]) {
        for at in 0..small[0] * small[1] {
            let (top, left) = (at / small[1] * block, at % small[1] * block);
            let rows = (top..top + block).map(|row| &plane[row * extents[1] + left..][..block]);
            reduced.push(rows.flatten().sum::<f32>() / (block * block) as f32);
        }
    }
    (reduced, small)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, value: impl Fn(usize) -> u8) -> Picture {
        Picture::from_rgb(width, height, (0..3 * width * height).map(value).collect()).unwrap()
    }

    #[test]
    fn pixels_that_stay_lose_128() {
        let all = picture(16, 16, |i| (i / 3) as u8);
        let image = image(&all, &TensorType::new(DType::I8, &[1, 3, 16, 16])).unwrap();
        let expected: Vec<i8> = (0..3).flat_map(|_| -128..=127).collect();
        assert_eq!(image.as_i8().unwrap(), expected);
    }

    #[test]
    fn pictures_are_resized_to_what_the_network_takes() {
        let halves = picture(2, 1, |i| if i < 3 { 0 } else { 255 });
        let image = image(&halves, &TensorType::f32(&[1, 3, 1, 4])).unwrap();
        assert_eq!(image.as_f32().unwrap()[..4], [-1.0, -0.5, 0.5, 1.0]);
    }

    #[test]
    fn large_pictures_are_averaged_and_not_sampled() {
        // Columns of 0 and 255 in turn.
        let fine = picture(40, 40, |i| if i / 3 % 2 == 0 { 0 } else { 255 });
        let image = image(&fine, &TensorType::new(DType::I8, &[1, 3, 10, 10])).unwrap();
        assert!(image.as_i8().unwrap().iter().all(|x| *x == 0 || *x == -1), "{image:?}");
    }

    #[test]
    fn other_inputs_are_refused() {
        let one = picture(1, 1, |_| 0);
        for shape in [&[1, 1, 4, 4][..], &[2, 3, 4, 4], &[1, 3, 0, 4], &[3]] {
            let error = image(&one, &TensorType::f32(shape)).unwrap_err().to_string();
            assert!(error.contains("not one picture"), "{error}");
        }
    }
}
