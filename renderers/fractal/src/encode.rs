//! Pictures as files.
//!
//! The rule: lossless, and fast rather than small: a picture is made for one request.

use crate::Picture;

/// The longest side that a WebP file holds.
pub const MAX_WEBP_SIDE: u32 = 16_384;

/// A picture that could not be encoded: our mistake, since every [`Picture`] is well-formed.
#[derive(Debug, thiserror::Error)]
#[error("the picture was not encoded: {0}")]
pub struct EncodeError(String);

impl Picture {
    /// As PNG.
    ///
    /// # Errors
    ///
    /// [`EncodeError`].
    pub fn to_png(&self) -> Result<Vec<u8>, EncodeError> {
        let failed = |error: png::EncodingError| EncodeError(error.to_string());
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.rgb).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }

    /// As lossless WebP.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; a side of more than [`MAX_WEBP_SIDE`] pixels is beyond the format.
    pub fn to_webp(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        image_webp::WebPEncoder::new(&mut bytes)
            .encode(&self.rgb, self.width, self.height, image_webp::ColorType::Rgb8)
            .map_err(|error| EncodeError(error.to_string()))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Picture {
        let rgb = (0..7 * 5 * 3).map(|i| (i * 37 % 251) as u8).collect();
        Picture { width: 7, height: 5, rgb }
    }

    #[test]
    fn png_is_read_back() {
        let bytes = sample().to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut rgb = vec![0; 7 * 5 * 3];
        reader.next_frame(&mut rgb).unwrap();
        assert_eq!(rgb, sample().rgb);
    }

    #[test]
    fn webp_is_read_back() {
        let bytes = sample().to_webp().unwrap();
        let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(&bytes)).unwrap();
        let mut rgb = vec![0; 7 * 5 * 3];
        decoder.read_image(&mut rgb).unwrap();
        assert_eq!(rgb, sample().rgb);
    }
}
