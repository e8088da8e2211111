//! Spans of `tracing` as labels of samples. In a build without the agent the same layer does nothing, so that a service
//! can keep the line that installs it.

#[cfg(feature = "__agent")]
mod open;

use tracing_core::Subscriber;
#[cfg(feature = "__agent")]
use tracing_core::span::{Attributes, Id};
#[cfg(feature = "__agent")]
use tracing_subscriber::layer::Context;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// A layer for a `tracing_subscriber` registry: while a span is entered, CPU and wall-clock samples taken on its thread
/// carry the label `span=name`, and tasks spawned meanwhile inherit it. Of spans within each other the innermost shows.
///
/// Only names are kept, no fields: there are as many as the code has, and no secret is among them. Entering costs about
/// 60 ns, most of it the registry's look-up.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(flamewatch::span_layer());
/// # drop(subscriber);
/// ```
#[must_use = "a layer does nothing unless a subscriber has it"]
pub const fn span_layer() -> SpanLayer {
    SpanLayer(())
}

/// What [`span_layer`] returns.
#[derive(Clone, Debug)]
pub struct SpanLayer(());

#[cfg(feature = "__agent")]
impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(open::Label::new(attributes.metadata().name()));
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(label) = span.extensions().get::<open::Label>()
        {
            open::enter(id.into_u64(), label);
        }
    }

    fn on_exit(&self, id: &Id, _context: Context<'_, S>) {
        open::exit(id.into_u64());
    }
}

#[cfg(not(feature = "__agent"))]
impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for SpanLayer {}
