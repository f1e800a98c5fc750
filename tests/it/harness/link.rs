//! The faulty link: a relay before a node that a test can cut, stall, slow, close and count.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::wait::{SOON, until};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToNode,
    FromNode,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// FIN both ways, as by a process that closes its sockets.
    Close,
    /// RST both ways, as by a kernel that lost the connection.
    Reset,
    /// The same, and at once nobody listens any more: the node is gone.
    Vanish,
}

/// What the link does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Open,
    /// Connections stay open, and nothing moves.
    Stalled,
    /// About this many bytes a second, each way, on each connection.
    Slow(u64),
}

/// What the link does with new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Nobody listens: connection refused.
    Refusing,
    /// Accepted and reset at once.
    Resetting,
}

/// A relay on its own address. It lives on the runtime it was opened on.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
    /// How the door really is.
    in_force: watch::Receiver<Door>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    flow: watch::Sender<Flow>,
    door: watch::Sender<Door>,
    /// The number of the latest order to end all connections, and how.
    ends: watch::Sender<(u64, End)>,
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    connections: u64,
    open: u64,
    bytes: [u64; 2],
    /// Every request with how its head begins, and what went either way since.
    exchanges: Vec<(Vec<u8>, [u64; 2])>,
    traps: Vec<Trap>,
}

/// Ends the connection that carries a certain byte.
#[derive(Debug)]
struct Trap {
    direction: Direction,
    /// Only for connections whose latest request begins so.
    request: String,
    left: u64,
    end: End,
}

impl Link {
    /// Listens on `address` and relays to `target`, which need not be there yet.
    pub async fn open(address: SocketAddr, target: SocketAddr) -> Self {
        // Whoever had the address before may still be letting go of it.
        let what = format!("{address} is free for a link");
        let first = until(&what, SOON, async || listen(address).ok()).await;
        let address = first.local_addr().unwrap();
        let state = Arc::new(State {
            target,
            flow: watch::Sender::new(Flow::Open),
            door: watch::Sender::new(Door::Open),
            ends: watch::Sender::new((0, End::Close)),
            counters: Mutex::default(),
        });
        let (forced, in_force) = watch::channel(Door::Open);
        let task = tokio::spawn(serve(first, address, state.clone(), forced));
        Self {
            address,
            state,
            in_force,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the connection that carries the byte number `after` from now on, in this direction,
    /// right after that byte. Works once.
    pub fn cut_after(&self, direction: Direction, after: u64, end: End) {
        self.cut_within("", direction, after, end);
    }

    /// The same, but counts only bytes of exchanges whose request begins with this, such as
    /// `PUT /v2/lab/`.
    pub fn cut_within(&self, request: &str, direction: Direction, after: u64, end: End) {
        let trap = Trap {
            direction,
            request: request.to_owned(),
            left: after,
            end,
        };
        self.state.counters.lock().unwrap().traps.push(trap);
    }

    /// Takes back what [`Link::cut_after`] set and has not happened.
    pub fn forget_cuts(&self) {
        self.state.counters.lock().unwrap().traps.clear();
    }

    /// How many of the cuts that were set have not happened yet.
    pub fn cuts_left(&self) -> usize {
        self.state.counters.lock().unwrap().traps.len()
    }

    /// Ends all connections that are open now.
    pub fn cut_all(&self, end: End) {
        if end == End::Vanish {
            self.state.door.send_replace(Door::Refusing);
        }
        self.state
            .ends
            .send_modify(|order| *order = (order.0 + 1, end));
    }

    /// Lets bytes flow, slowly, or not at all.
    pub fn set_flow(&self, flow: Flow) {
        self.state.flow.send_replace(flow);
    }

    /// Opens or shuts the door for new connections; returns when it is so.
    pub async fn set_door(&mut self, door: Door) {
        self.state.door.send_replace(door);
        let applied = tokio::time::timeout(SOON, self.in_force.wait_for(|now| *now == door));
        applied.await.expect("the address is free").unwrap();
    }

    /// A node that is gone: its connections are reset, and new ones are refused; returns when no byte passes any more.
    pub async fn vanish(&mut self) {
        self.set_door(Door::Refusing).await;
        self.cut_all(End::Reset);
        until("all connections are ended", SOON, async || {
            (self.open_connections() == 0).then_some(())
        })
        .await;
    }

    /// All as it was at first.
    pub async fn heal(&mut self) {
        self.forget_cuts();
        self.set_flow(Flow::Open);
        self.set_door(Door::Open).await;
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.state.counters.lock().unwrap().connections
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> u64 {
        self.state.counters.lock().unwrap().open
    }

    /// Bytes relayed so far.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.state.counters.lock().unwrap().bytes[direction as usize]
    }

    /// The same, of exchanges whose request begins with this alone; heads count.
    pub fn bytes_within(&self, request: &str, direction: Direction) -> u64 {
        let counters = self.state.counters.lock().unwrap();
        let fits = |head: &[u8]| head.starts_with(request.as_bytes());
        let all = counters.exchanges.iter().filter(|(head, _)| fits(head));
        all.map(|(_, bytes)| bytes[direction as usize]).sum()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut_all(End::Reset);
        self.task.abort();
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

async fn serve(
    first: TcpListener,
    address: SocketAddr,
    state: Arc<State>,
    in_force: watch::Sender<Door>,
) {
    let mut listener = Some(first);
    let mut door = state.door.subscribe();
    loop {
        let wanted = *door.borrow_and_update();
        if wanted == Door::Refusing {
            listener = None;
        } else if listener.is_none() {
            listener = listen(address).ok();
        }
        if listener.is_some() || wanted == Door::Refusing {
            in_force.send_replace(wanted);
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = door.changed() => if changed.is_err() { return },
            Ok((stream, _)) = accepted => match *state.door.borrow() {
                // What is ordered from now on ends it, however late it is its turn.
                Door::Open => { tokio::spawn(relay(stream, state.clone(), state.ends.subscribe())); }
                Door::Refusing | Door::Resetting => reset(&stream),
            },
        }
    }
}

/// Makes the end of this stream an RST.
fn reset(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

async fn relay(mut client: TcpStream, state: Arc<State>, mut ends: watch::Receiver<(u64, End)>) {
    let Ok(mut node) = TcpStream::connect(state.target).await else {
        reset(&client);
        return;
    };
    drop((client.set_nodelay(true), node.set_nodelay(true)));
    state.count(|counters| {
        counters.connections += 1;
        counters.open += 1;
    });
    let end = {
        let (mut client_read, mut client_write) = client.split();
        let (mut node_read, mut node_write) = node.split();
        // The number of the exchange that runs.
        let exchange = Mutex::new(0);
        tokio::select! {
            biased;
            ordered = ends.changed() => Some(ordered.map_or(End::Reset, |()| ends.borrow().1)),
            both = async { tokio::try_join!(
                pump(&mut client_read, &mut node_write, (&state, &exchange), Direction::ToNode),
                pump(&mut node_read, &mut client_write, (&state, &exchange), Direction::FromNode),
            ) } => both.err(),
        }
    };
    state.count(|counters| counters.open -= 1);
    for stream in [&mut client, &mut node] {
        match end {
            Some(End::Reset | End::Vanish) => reset(stream),
            Some(End::Close) => drain(stream).await,
            None => {}
        }
    }
}

/// Closes with FIN: what is still unread would turn the FIN into an RST.
async fn drain(stream: &mut TcpStream) {
    drop(stream.shutdown().await);
    let mut rest = vec![0; 64 * 1024];
    let reading = async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
    drop(tokio::time::timeout(Duration::from_millis(300), reading).await);
}

/// Relays one direction until its end. An error says how both directions must end.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    (state, exchange): (&State, &Mutex<usize>),
    direction: Direction,
) -> Result<(), End> {
    let mut flow = state.flow.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.map_err(|_| End::Reset)?;
        flow.wait_for(|flow| *flow != Flow::Stalled)
            .await
            .map_err(|_| End::Reset)?;
        let now = *flow.borrow_and_update();
        if let Flow::Slow(rate) = now {
            let micros = read as u64 * 1_000_000 / rate.max(1);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        if read == 0 {
            to.shutdown().await.map_err(|_| End::Reset)?;
            return Ok(());
        }
        let (passed, end) = {
            let mut exchange = exchange.lock().unwrap();
            if direction == Direction::ToNode && begins_request(&buffer[..read]) {
                *exchange = state.begin(&buffer[..read.min(LONGEST_REQUEST)]);
            }
            state.carry(direction, *exchange, read as u64)
        };
        to.write_all(&buffer[..passed])
            .await
            .map_err(|_| End::Reset)?;
        if let Some(end) = end {
            return Err(end);
        }
    }
}

/// Whether bytes are the head of a request: bodies of tests never look like one.
fn begins_request(bytes: &[u8]) -> bool {
    let methods = ["GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE "];
    methods
        .iter()
        .any(|method| bytes.starts_with(method.as_bytes()))
}

/// What of a request a test can name.
const LONGEST_REQUEST: usize = 256;

impl State {
    fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap());
    }

    /// A request begins: the number of its exchange.
    fn begin(&self, request: &[u8]) -> usize {
        let mut counters = self.counters.lock().unwrap();
        counters.exchanges.push((request.to_vec(), [0; 2]));
        counters.exchanges.len() - 1
    }

    /// Counts bytes that are about to pass: how many may, and what happens then.
    fn carry(&self, direction: Direction, exchange: usize, read: u64) -> (usize, Option<End>) {
        let mut counters = self.counters.lock().unwrap();
        let request = counters.exchanges.get(exchange);
        let request = request.map(|(head, _)| head.clone()).unwrap_or_default();
        let concerned = |trap: &Trap| {
            trap.direction == direction && request.starts_with(trap.request.as_bytes())
        };
        let mut traps = counters.traps.iter();
        let sprung = traps.position(|trap| concerned(trap) && trap.left <= read);
        let trap = sprung.map(|at| counters.traps.remove(at));
        if trap.as_ref().is_some_and(|trap| trap.end == End::Vanish) {
            // Together with the trap: whoever sees that it is gone may open the door again.
            self.door.send_replace(Door::Refusing);
        }
        let passed = trap.as_ref().map_or(read, |trap| trap.left);
        counters.bytes[direction as usize] += passed;
        if let Some((_, bytes)) = counters.exchanges.get_mut(exchange) {
            bytes[direction as usize] += passed;
        }
        for other in counters.traps.iter_mut().filter(|trap| concerned(trap)) {
            other.left = other.left.saturating_sub(passed);
        }
        (passed as usize, trap.map(|trap| trap.end))
    }
}
