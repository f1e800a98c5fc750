//! Families of numbers, made from their declarations.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::super::labels::Label;
use super::super::names::{Kind, Metric};

/// A counter for each value of a fixed label, found without a look-up by name.
pub(in crate::observe) struct Counters<L> {
    children: Vec<IntCounter>,
    label: PhantomData<L>,
}

impl<L: Label> Counters<L> {
    pub(in crate::observe) fn new(registry: &Registry, metric: &Metric) -> Self {
        let family = counters(registry, metric);
        let children = L::NAMES
            .iter()
            .map(|name| family.with_label_values(&[name]))
            .collect();
        Self {
            children,
            label: PhantomData,
        }
    }

    /// All values together.
    pub(in crate::observe) fn all(&self) -> u64 {
        self.children.iter().map(IntCounter::get).sum()
    }

    pub(in crate::observe) fn of(&self, value: L) -> &IntCounter {
        self.children
            .get(value.position())
            .expect("every value of the label has its counter")
    }
}

pub(in crate::observe) fn counter(registry: &Registry, metric: &Metric) -> IntCounter {
    register(registry, IntCounter::with_opts(opts(metric)))
}

pub(in crate::observe) fn counters(registry: &Registry, metric: &Metric) -> IntCounterVec {
    register(registry, IntCounterVec::new(opts(metric), &keys(metric)))
}

pub(in crate::observe) fn gauge(registry: &Registry, metric: &Metric) -> IntGauge {
    register(registry, IntGauge::with_opts(opts(metric)))
}

pub(in crate::observe) fn gauges(registry: &Registry, metric: &Metric) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(opts(metric), &keys(metric)))
}

pub(in crate::observe) fn float_gauge(registry: &Registry, metric: &Metric) -> Gauge {
    register(registry, Gauge::with_opts(opts(metric)))
}

pub(in crate::observe) fn float_gauges(registry: &Registry, metric: &Metric) -> GaugeVec {
    register(registry, GaugeVec::new(opts(metric), &keys(metric)))
}

pub(in crate::observe) fn histogram(registry: &Registry, metric: &Metric) -> Histogram {
    register(registry, Histogram::with_opts(buckets(metric)))
}

pub(in crate::observe) fn histograms(registry: &Registry, metric: &Metric) -> HistogramVec {
    register(registry, HistogramVec::new(buckets(metric), &keys(metric)))
}

fn buckets(metric: &Metric) -> HistogramOpts {
    let bounds = match metric.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::Gauge => Vec::new(),
    };
    HistogramOpts::new(metric.name, metric.help).buckets(bounds)
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn keys(metric: &Metric) -> Vec<&'static str> {
    metric.keys.iter().map(|key| key.name).collect()
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, prometheus::Error>,
) -> C {
    let made = made.expect("a declared metric is well formed, which a test proves");
    registry
        .register(Box::new(made.clone()))
        .expect("a metric is declared once, which a test proves");
    made
}
