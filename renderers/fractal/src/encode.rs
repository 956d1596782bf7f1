//! Pictures as files.
//!
//! The rule: lossless, and fast rather than small: a picture is made for one request.

use std::io::{self, Write};

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
        let encoder = encoder(&mut bytes, [self.width, self.height]);
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

fn encoder<W: Write>(output: W, [width, height]: [u32; 2]) -> png::Encoder<'static, W> {
    let mut encoder = png::Encoder::new(output, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    encoder
}

/// An animated PNG, written picture by picture and repeated for ever when it is shown.
pub struct Animation<W: Write>(png::Writer<W>);

impl<W: Write> Animation<W> {
    /// Begins an animation of as many pictures, so many a second.
    ///
    /// # Errors
    ///
    /// Whatever the output answers; sides, pictures or a rate of 0.
    pub fn begin(output: W, size: [u32; 2], pictures: u32, per_second: u16) -> io::Result<Self> {
        let mut encoder = encoder(output, size);
        encoder.set_animated(pictures, 0)?;
        encoder.set_frame_delay(1, per_second)?;
        encoder.validate_sequence(true);
        Ok(Self(encoder.write_header()?))
    }

    /// Adds the next picture, which has the animation's size.
    ///
    /// # Errors
    ///
    /// Whatever the output answers.
    pub fn add(&mut self, picture: &Picture) -> io::Result<()> {
        Ok(self.0.write_image_data(&picture.rgb)?)
    }

    /// Ends the file, for which all pictures have been added.
    ///
    /// # Errors
    ///
    /// Whatever the output answers; missing pictures.
    pub fn finish(self) -> io::Result<()> {
        Ok(self.0.finish()?)
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
    fn an_animation_is_read_back() {
        let pictures = [sample(), Picture { rgb: vec![9; 7 * 5 * 3], ..sample() }, sample()];
        let mut bytes = Vec::new();
        let mut animation = Animation::begin(&mut bytes, [7, 5], 3, 25).unwrap();
        pictures.iter().for_each(|picture| animation.add(picture).unwrap());
        assert!(animation.add(&pictures[0]).is_err(), "no more than were announced");
        animation.finish().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let control = *reader.info().animation_control().unwrap();
        assert_eq!((control.num_frames, control.num_plays), (3, 0));
        for picture in &pictures {
            let mut rgb = vec![0; 7 * 5 * 3];
            reader.next_frame(&mut rgb).unwrap();
            assert_eq!(rgb, picture.rgb);
            let frame = reader.info().frame_control().unwrap();
            assert_eq!((frame.delay_num, frame.delay_den), (1, 25));
        }
    }

    #[test]
    fn an_animation_that_ends_early_is_an_error() {
        let animation = Animation::begin(Vec::new(), [7, 5], 2, 25).unwrap();
        assert!(animation.finish().is_err());
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
