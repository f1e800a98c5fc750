# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pilotage_global_optspecs
    string join \n h/help V/version
end

function __fish_pilotage_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pilotage_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pilotage_using_subcommand
    set -l cmd (__fish_pilotage_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pilotage -n "__fish_pilotage_needs_command" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_needs_command" -s V -l version -d 'Print version'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "run" -d 'Serves the registry until a signal ends it; SIGHUP reads the configuration again'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "upgrade" -d 'Starts a new process that takes over from the running one, and returns when it serves'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "check" -d 'Reads the configuration and prints all that is wrong with it, or a short summary'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "health" -d 'Asks the running pilotage of this configuration whether it can serve; for container health checks'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "doctor" -d 'Asks the nodes, Redis and this machine what is wrong, and says how to mend it'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "nodes" -d 'Lists the nodes of the running pilotage, drains them, switches them off and on, weighs them'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "maintenance" -d 'Refuses pushes that begin, with a message, while running uploads and pulls go on'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "explain" -d 'Tells what became of a request: why this node, what was tried, what was rescued'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "transfers" -d 'Lists pushes and pulls that are under way, with their progress'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "reload" -d 'Has the running pilotage read its configuration again, as SIGHUP does, and tells what came of it'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "log" -d 'Changes what the log of the running pilotage lets through, until its next reload'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "completions" -d 'Prints a script that completes these commands in a shell'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "man" -d 'Writes the manual pages of these commands into a folder'
complete -c pilotage -n "__fish_pilotage_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotage -n "__fish_pilotage_using_subcommand run" -l config -d 'The configuration file' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand run" -l json -d 'Prints JSON instead of text'
complete -c pilotage -n "__fish_pilotage_using_subcommand run" -l upgrade -d 'Takes the ports over from the running pilotage, which then only ends what it has begun'
complete -c pilotage -n "__fish_pilotage_using_subcommand run" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand upgrade" -l config -d 'The configuration file' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand upgrade" -l json -d 'Prints JSON instead of text'
complete -c pilotage -n "__fish_pilotage_using_subcommand upgrade" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand check" -l config -d 'The configuration file' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand check" -l json -d 'Prints JSON instead of text'
complete -c pilotage -n "__fish_pilotage_using_subcommand check" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand health" -l config -d 'The configuration file' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand health" -l json -d 'Prints JSON instead of text'
complete -c pilotage -n "__fish_pilotage_using_subcommand health" -l live -d 'Asks only whether the process is alive, not whether a pull would find a node'
complete -c pilotage -n "__fish_pilotage_using_subcommand health" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l config -d 'The configuration file' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l only -d 'Makes these checks and no other; several are parted by commas' -r -f -a "node-reach\t'each node\'s name has an address, and somebody answers there'
node-tls\t'each https node shows a certificate that its [[node]] section makes trustworthy'
node-certificate\t'how long the certificates of the nodes are still good'
node-redirect\t'no node that is written down with http sends its visitors to https'
node-api\t'each node has the API that [health] probe asks for, and all have the same'
node-health\t'each part of each node is healthy'
harbor-version\t'all nodes run the same Harbor'
public-url\t'each node takes the public name for its own'
forwarded-proto\t'each node believes that its clients use https'
token-service\t'all nodes call their token service alike'
token-key\t'a token of each node is accepted by each other node'
account\t'the given account can push and pull in the given project, on every node'
clocks\t'the clocks of all nodes and of this machine agree'
database\t'all nodes show the same projects, made at the same time'
http-secret\t'an upload that began on one node is known to the others'
storage\t'what is pushed through one node can be read from the others, and how soon'
ui-session\t'a browser\'s session that one node began is known to the others'
csrf-key\t'a page that came from one node may be saved on the others'
body-limit\t'no proxy before a node limits the size of a layer'
request-buffering\t'each node takes a layer while it arrives, instead of storing it first'
timeouts\t'the time limits leave a large layer enough time'
certificate\t'our certificates can be used, cover the public names, and do not end soon'
key-files\t'nobody else can read our private keys and passwords'
spool\t'the folder for running pushes can be written, is on a disk, has room, and is fast'
descriptors\t'the process may open as many files as the limits on connections need'
public-name\t'the public names lead to this machine'
ports\t'the ports of our listeners are free, or ours already'
redis-reach\t'Redis can be reached as [redis] says'
redis-rights\t'the account in Redis may do what pilotage needs'
redis-eviction\t'Redis does not forget entries before their time'
redis-latency\t'Redis answers well within [redis] timeout'"
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l skip -d 'Leaves these checks out' -r -f -a "node-reach\t'each node\'s name has an address, and somebody answers there'
node-tls\t'each https node shows a certificate that its [[node]] section makes trustworthy'
node-certificate\t'how long the certificates of the nodes are still good'
node-redirect\t'no node that is written down with http sends its visitors to https'
node-api\t'each node has the API that [health] probe asks for, and all have the same'
node-health\t'each part of each node is healthy'
harbor-version\t'all nodes run the same Harbor'
public-url\t'each node takes the public name for its own'
forwarded-proto\t'each node believes that its clients use https'
token-service\t'all nodes call their token service alike'
token-key\t'a token of each node is accepted by each other node'
account\t'the given account can push and pull in the given project, on every node'
clocks\t'the clocks of all nodes and of this machine agree'
database\t'all nodes show the same projects, made at the same time'
http-secret\t'an upload that began on one node is known to the others'
storage\t'what is pushed through one node can be read from the others, and how soon'
ui-session\t'a browser\'s session that one node began is known to the others'
csrf-key\t'a page that came from one node may be saved on the others'
body-limit\t'no proxy before a node limits the size of a layer'
request-buffering\t'each node takes a layer while it arrives, instead of storing it first'
timeouts\t'the time limits leave a large layer enough time'
certificate\t'our certificates can be used, cover the public names, and do not end soon'
key-files\t'nobody else can read our private keys and passwords'
spool\t'the folder for running pushes can be written, is on a disk, has room, and is fast'
descriptors\t'the process may open as many files as the limits on connections need'
public-name\t'the public names lead to this machine'
ports\t'the ports of our listeners are free, or ours already'
redis-reach\t'Redis can be reached as [redis] says'
redis-rights\t'the account in Redis may do what pilotage needs'
redis-eviction\t'Redis does not forget entries before their time'
redis-latency\t'Redis answers well within [redis] timeout'"
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l user -d 'An account for the checks that push: a robot with push and pull on one project is enough' -r
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l password-file -d 'The file that holds its password' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l project -d 'The project that the small pushes go to; without it nothing is pushed' -r
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l pause -d 'Lets a small push rest for so many seconds on each node, to find time limits on the way' -r
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -l json -d 'Prints JSON instead of text'
complete -c pilotage -n "__fish_pilotage_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -f -a "drain" -d 'Gives a node nothing new; what runs there ends there, sessions of browsers move'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -f -a "undrain" -d 'Gives a draining node requests again'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -f -a "off" -d 'Asks a node for nothing any more; its uploads move, answers on their way still pass'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -f -a "on" -d 'Gives a node that is off requests again'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -f -a "weight" -d 'Changes a node\'s share of new requests'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and not __fish_seen_subcommand_from drain undrain off on weight help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l force -d 'Also when no other node takes pulls: clients are refused then'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from drain" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from drain" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from undrain" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from off" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from off" -l force -d 'Also when no other node takes pulls: clients are refused then'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from off" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from off" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from on" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from on" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from on" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from weight" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from weight" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from weight" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "drain" -d 'Gives a node nothing new; what runs there ends there, sessions of browsers move'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "undrain" -d 'Gives a draining node requests again'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "off" -d 'Asks a node for nothing any more; its uploads move, answers on their way still pass'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "on" -d 'Gives a node that is off requests again'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "weight" -d 'Changes a node\'s share of new requests'
complete -c pilotage -n "__fish_pilotage_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -f -a "on" -d 'Refuses pushes that begin, with a message; running uploads and pulls go on'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -f -a "off" -d 'Takes pushes again'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -f -a "status" -d 'Tells whether there is maintenance, and who began it'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and not __fish_seen_subcommand_from on off status help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l message -d 'One line that clients are shown' -r
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l all -d 'All instances that share the Redis, for 12 hours, instead of this one'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l denied -d 'Refuses with 403 instead of 503: clients show the message at once and do not try again'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from on" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l all -d 'All instances that share the Redis, for 12 hours, instead of this one'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from off" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from status" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from status" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "on" -d 'Refuses pushes that begin, with a message; running uploads and pulls go on'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "off" -d 'Takes pushes again'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "status" -d 'Tells whether there is maintenance, and who began it'
complete -c pilotage -n "__fish_pilotage_using_subcommand maintenance; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotage -n "__fish_pilotage_using_subcommand explain" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand explain" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand explain" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand transfers" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand transfers" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand transfers" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand reload" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand reload" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand reload" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand log" -l config -d 'The configuration file of the running pilotage' -r -F
complete -c pilotage -n "__fish_pilotage_using_subcommand log" -l json -d 'Prints the answer as JSON'
complete -c pilotage -n "__fish_pilotage_using_subcommand log" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand completions" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand man" -s h -l help -d 'Print help'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "run" -d 'Serves the registry until a signal ends it; SIGHUP reads the configuration again'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "upgrade" -d 'Starts a new process that takes over from the running one, and returns when it serves'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "check" -d 'Reads the configuration and prints all that is wrong with it, or a short summary'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "health" -d 'Asks the running pilotage of this configuration whether it can serve; for container health checks'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "doctor" -d 'Asks the nodes, Redis and this machine what is wrong, and says how to mend it'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "nodes" -d 'Lists the nodes of the running pilotage, drains them, switches them off and on, weighs them'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "maintenance" -d 'Refuses pushes that begin, with a message, while running uploads and pulls go on'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "explain" -d 'Tells what became of a request: why this node, what was tried, what was rescued'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "transfers" -d 'Lists pushes and pulls that are under way, with their progress'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "reload" -d 'Has the running pilotage read its configuration again, as SIGHUP does, and tells what came of it'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "log" -d 'Changes what the log of the running pilotage lets through, until its next reload'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "completions" -d 'Prints a script that completes these commands in a shell'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "man" -d 'Writes the manual pages of these commands into a folder'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and not __fish_seen_subcommand_from run upgrade check health doctor nodes maintenance explain transfers reload log completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "drain" -d 'Gives a node nothing new; what runs there ends there, sessions of browsers move'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "undrain" -d 'Gives a draining node requests again'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "off" -d 'Asks a node for nothing any more; its uploads move, answers on their way still pass'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "on" -d 'Gives a node that is off requests again'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "weight" -d 'Changes a node\'s share of new requests'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from maintenance" -f -a "on" -d 'Refuses pushes that begin, with a message; running uploads and pulls go on'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from maintenance" -f -a "off" -d 'Takes pushes again'
complete -c pilotage -n "__fish_pilotage_using_subcommand help; and __fish_seen_subcommand_from maintenance" -f -a "status" -d 'Tells whether there is maintenance, and who began it'
