//! What an operator orders about a node while pilotage runs.
//!
//! An order stands beside the file: it wins over what the file says, survives a reload, and ends with the process,
//! unless that hands its sockets over to another.

use serde::{Deserialize, Serialize};

use super::node::Duty;

/// Who ordered something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub by: String,
    /// Seconds since 1970.
    pub at: u64,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order<T> {
    pub value: T,
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// All orders about one node that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    pub duty: Option<Order<Duty>>,
    pub weight: Option<Order<u32>>,
}

impl Orders {
    /// Takes down a new order about the duty. To do what the file says anyway needs none.
    pub(super) fn order_duty(&mut self, duty: Duty, stamp: Stamp, listed: Duty) {
        let differs = duty != Duty::Active || listed != Duty::Active;
        self.duty = differs.then_some(Order { value: duty, stamp });
    }

    /// Takes down a new weight; none gives the file its word back.
    pub(super) fn order_weight(&mut self, weight: Option<u32>, stamp: Stamp) {
        self.weight = weight.map(|value| Order { value, stamp });
    }

    /// The file has been read anew. An order to be active has done its work once the file says the same.
    pub(super) fn relisted(&mut self, listed: Duty) {
        let done = |order: &Order<Duty>| order.value == Duty::Active && listed == Duty::Active;
        if self.duty.as_ref().is_some_and(done) {
            self.duty = None;
        }
    }

    pub(super) fn duty(&self, listed: Duty) -> Duty {
        self.duty.as_ref().map_or(listed, |order| order.value)
    }

    pub(super) fn weight(&self, listed: u32) -> u32 {
        self.weight.as_ref().map_or(listed, |order| order.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            by: "ann".to_owned(),
            at: 7,
        }
    }

    #[test]
    fn an_order_wins_over_the_file_until_it_is_taken_back() {
        let mut orders = Orders::default();
        orders.order_duty(Duty::Off, stamp(), Duty::Active);
        orders.relisted(Duty::Draining);
        assert_eq!(orders.duty(Duty::Draining), Duty::Off);
        orders.order_duty(Duty::Active, stamp(), Duty::Draining);
        assert_eq!(orders.duty(Duty::Draining), Duty::Active);
        orders.order_weight(Some(5), stamp());
        assert_eq!(orders.weight(100), 5);
        orders.order_weight(None, stamp());
        assert_eq!(orders.weight(100), 100);
    }

    #[test]
    fn an_order_that_the_file_agrees_with_is_none() {
        let mut orders = Orders::default();
        orders.order_duty(Duty::Active, stamp(), Duty::Active);
        assert_eq!(orders, Orders::default());
        orders.order_duty(Duty::Active, stamp(), Duty::Draining);
        orders.relisted(Duty::Active);
        assert_eq!(orders, Orders::default());
        // Somebody wants it drained, whatever becomes of the file.
        orders.order_duty(Duty::Draining, stamp(), Duty::Draining);
        orders.relisted(Duty::Active);
        assert_eq!(orders.duty(Duty::Active), Duty::Draining);
    }
}
