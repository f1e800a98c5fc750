//! A registry that is not Harbor: no core, no health document, no login.

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::clients::skopeo::Skopeo;
use crate::harness::image::Image;
use crate::harness::ports::{self, Subnet};
use crate::harness::process::{Process, Spec};
use crate::harness::scratch::Scratch;

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_registry_serves_real_clients_as_the_single_node() {
    let scratch = Scratch::new();
    let folder = scratch.folder("registry");
    let address = ports::free(Subnet::take().host(1));
    let text = format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: '{}'}}, delete: {{enabled: true}}}}\n\
         http: {{addr: '{address}', secret: plain}}\n",
        scratch.folder("storage").display()
    );
    let file = scratch.write("registry.yml", text);
    let spec = Spec::new("registry", "docker-registry", &folder).argument("serve");
    let mut registry = Process::start(spec.argument(file));

    let folder = scratch.folder("balancer");
    let mut config = Config::new(&folder);
    config.node("registry", &format!("http://{address}"));
    config.set("health", "probe", "registry");
    let balancer = Balancer::start(&program(), &folder, config).await;
    balancer.all_up(1).await;
    let destination = balancer.destination();
    let skopeo = Skopeo::new(&destination);
    let (image, reference) = (Image::small(), destination.image("some/app:v1"));
    skopeo.push(&image, &reference).await.expect_success();
    let pulled = skopeo.pull(&reference).await.expect_success();
    assert_eq!(pulled.stdout, image.id());

    registry.kill();
    balancer.node_is("registry", "pull", "down").await;
    registry.start_again();
    balancer.all_up(1).await;
    assert_eq!(
        skopeo.pull(&reference).await.expect_success().stdout,
        image.id()
    );
}
