//! The pictures of an alert, in the thread of its message. A message without its picture is still a message: what fails here
//! is tried a few times, counted and logged, and repeats nothing.

use std::sync::Arc;

use super::turn::{Step, Turn};
use super::web::Posted;
use crate::sink::{Alert, Attachment};

/// The most pictures of one alert, and the largest.
const MAX_PICTURES: usize = 2;
const MAX_BYTES: usize = 4 * 1024 * 1024;

impl Turn<'_> {
    /// Sends those that are not there yet.
    pub(super) fn send_pictures(&mut self, thread: &Posted) -> Step<()> {
        for picture in pictures(self.alert).into_iter().skip(self.work.pictures) {
            let Attachment { name, bytes } = picture.as_ref();
            let title = format!("{}: {}", self.alert.rule, name.trim_end_matches(".png"));
            let sent = self.bot.web.upload(name, &title, bytes, thread, self.deadline);
            let sent = self.pleasant("a picture is left out", sent)?;
            self.work.pictures += 1;
            match sent {
                Some(file) => self.work.files.push(file),
                None => {
                    self.bot.pictures_lost += 1;
                    let lost = self.bot.pictures_lost;
                    tracing::warn!(target: "flamewatch", sink = "slack", lost, "pictures left out so far");
                }
            }
        }
        Ok(())
    }
}

/// The pictures of `alert`, the preview first: it is what people see without a click.
fn pictures(alert: &Alert) -> Vec<Arc<Attachment>> {
    let is_picture =
        |file: &&Arc<Attachment>| file.name.ends_with(".png") && (1..=MAX_BYTES).contains(&file.bytes.len());
    let mut pictures: Vec<Arc<Attachment>> = alert.attachments.iter().filter(is_picture).cloned().collect();
    pictures.sort_by_key(|file| !file.name.contains("preview"));
    pictures.truncate(MAX_PICTURES);
    pictures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::State;

    #[test]
    fn the_preview_comes_first_and_other_files_not_at_all() {
        let mut alert = Alert::new("a1", State::Firing, "shop", "heap growing");
        let files = ["heap.pb.gz", "heap.png", "heap.svg", "heap.preview.png", "more.png"];
        alert.attachments = files.map(|name| Arc::new(Attachment::new(name, vec![1]))).to_vec();
        alert.attachments.push(Arc::new(Attachment::new("preview.empty.png", Vec::new())));
        alert.attachments.push(Arc::new(Attachment::new("preview.giant.png", vec![0; MAX_BYTES + 1])));
        let names: Vec<String> = pictures(&alert).iter().map(|file| file.name.clone()).collect();
        assert_eq!(names, ["heap.preview.png", "heap.png"]);
    }
}
