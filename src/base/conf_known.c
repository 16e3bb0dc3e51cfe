/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_judge.h"
#include "base/mem.h"

/*
 * The options of neutron.conf, ml2_conf.ini, l3_agent.ini, openvswitch_agent.ini (once ovs_neutron_plugin.ini),
 * dhcp_agent.ini and metadata_agent.ini of Kilo (2015) to 2026.1, and of the libraries that are configured in the
 * same files. A program asks here for what its own table does not have.
 */

#define D "DEFAULT"

static const char for_server[] = "neutrino-server obeys it";
static const char for_agent[] = "neutrino-agent obeys it";
static const char always[] = "what it turns on is always on";
static const char no_queue[] = "there is no message queue: agents connect to the server itself";
static const char no_plugins[] = "there are no plugins and drivers to choose";
static const char no_workers[] = "one process with threads does the work";
static const char no_log[] = "the log goes to standard error, and so to the journal; debug alone is obeyed";
static const char no_keystone[] = "nobody logs in: auth_strategy is noauth";
static const char no_nova[] = "Nova is not told of ports so far";
static const char no_dhcp[] = "DHCP is not served so far";
static const char no_metadata[] = "metadata is not served so far";
static const char no_dns[] = "DNS is not served so far";
static const char no_quotas[] = "quotas are not kept so far";
static const char no_schedule[] = "nothing is scheduled: a distributed router is on every host that needs it";
static const char no_ha[] = "a distributed router needs no VRRP; its central part is not served so far";
static const char no_gateway[] = "external gateways are not served so far";
static const char no_ipv6[] = "IPv6 is not served so far";
static const char no_groups[] = "security groups are not enforced so far";
static const char no_extensions[] = "this extension is not served so far";
static const char no_tls[] = "TLS is not served so far";
static const char no_namespaces[] = "a router is no namespace here, and has no processes";
static const char one_bridge[] = "there is one bridge: the tunnel's port is on the integration bridge";
static const char native_openflow[] = "OpenFlow is spoken over the socket that the bridge has anyway";
static const char native_ovsdb[] = "OVSDB is spoken natively, over one connection that tells of changes";
static const char no_normal[] = "each frame's way is a flow: the bridge learns and snoops nothing";
static const char no_vhost[] = "vhost-user ports are not told to Nova so far";
static const char no_wires[] = "only VXLAN networks are served so far";
static const char no_outer[] = "what else stands in the outer header cannot be chosen so far";
static const char own_limits[] = "the server has limits of its own";
static const char other_program[] = "it is of another program or library";

const struct conf_known conf_known[] = {
	{ D, "state_path debug", "both programs obey it" },
	{ D,
	  "bind_host bind_port auth_strategy router_distributed enable_dvr host_dvr_for_dhcp base_mac dvr_base_mac "
	  "global_physnet_mtu agent_down_time use_ssl",
	  for_server },
	{ "database", "connection", for_server },
	{ "ml2", "type_drivers project_network_types tenant_network_types path_mtu overlay_ip_version segment_mtu",
	  for_server },
	{ "ml2_type_vxlan", "vni_ranges", for_server },
	{ "neutrino", "noauth_anywhere agent_listen", for_server },
	{ D, "host agent_mode", for_agent },
	{ "ovs", "local_ip integration_bridge datapath_type ovsdb_connection", for_agent },
	{ "agent", "report_interval vxlan_udp_port tunnel_types l2_population enable_distributed_routing tunnel_csum",
	  for_agent },
	{ "neutrino", "server token_file datapath control_socket pin_dir run_dir", for_agent },

	/* neutron.conf */
	{ D,
	  "transport_url rpc_* rabbit_* qpid_* kombu_* amqp_* fake_rabbit conn_pool_* executor_thread_pool_size "
	  "control_exchange notification_* default_notification_level default_publisher_id matchmaker_*",
	  no_queue },
	{ D, "core_plugin service_plugins api_extensions_path ipam_driver", no_plugins },
	{ D,
	  "api_workers backlog retry_until_window tcp_keepidle wsgi_* web_framework max_header_line "
	  "client_socket_timeout api_paste_config periodic_interval periodic_fuzzy_delay run_external_periodic_tasks "
	  "backdoor_* graceful_shutdown_timeout enable_signals setproctitle http_retries log_options lock_path",
	  no_workers },
	{ D,
	  "verbose log_* log-* logfile logdir use_syslog use_syslog_rfc_format use_stderr use_journal use_json "
	  "use_eventlog syslog_log_facility watch_log_file logging_* default_log_levels publish_errors "
	  "instance_format instance_uuid_format rate_limit_* fatal_deprecations fatal_exception_format_errors "
	  "max_logfile_*",
	  no_log },
	{ D,
	  "allow_bulk allow_pagination allow_sorting allow_overlapping_ips advertise_mtu filter_validation "
	  "enable_new_agents",
	  always },
	{ D,
	  "pagination_max_limit max_dns_nameservers max_subnet_host_routes max_fixed_ips_per_port "
	  "max_allowed_address_pair max_routes mac_generation_retries max_request_body_size",
	  own_limits },
	{ D, "network_device_mtu", "MTUs come from [DEFAULT] global_physnet_mtu and [ml2] path_mtu" },
	{ D, "policy_file policy_dirs", no_keystone },
	{ D, "nova_metadata_* nova_client_*", no_metadata },
	{ D, "notify_nova_* send_events_interval nova_*", no_nova },
	{ D, "dns_domain external_dns_driver", no_dns },
	{ D,
	  "router_scheduler_driver router_auto_schedule allow_automatic_l3agent_failover "
	  "enable_services_on_agents_with_admin_state_down rpc_resources_processing_step default_availability_zones",
	  no_schedule },
	{ D, "l3_ha max_l3_agents_per_router min_l3_agents_per_router l3_ha_* ha_* send_arp_for_ha keepalived_*",
	  no_ha },
	{ D,
	  "enable_snat_by_default external_network_bridge gateway_external_network_id external_ingress_mark "
	  "enable_default_route_ecmp enable_default_route_bfd enable_ndp_proxy_by_default",
	  no_gateway },
	{ D,
	  "ipv6_pd_enabled ipv6_gateway prefix_delegation_driver pd_confs pd_dhcp_driver vendor_pen ra_confs "
	  "radvd_user "
	  "min_rtr_adv_interval max_rtr_adv_interval",
	  no_ipv6 },
	{ D,
	  "vlan_transparent vlan_qinq default_ipv4_subnet_pool default_ipv6_subnet_pool force_gateway_on_subnet "
	  "network_link_prefix allowed_conntrack_helpers",
	  no_extensions },
	{ D, "my_ip my_ipv6", "it counts where another option refers to it" },
	{ D, "ssl_ca_file ssl_cert_file ssl_key_file", no_tls },
	{ "ssl", "*", no_tls },
	{ "database", "*", "the database is SQLite: there is nothing to tune" },
	{ "quotas", "default_quota quota_* track_quota_usage", no_quotas },
	{ "keystone_authtoken", "*", no_keystone },
	{ "oslo_policy", "*", no_keystone },
	{ "service_providers", "*", no_plugins },
	{ "nova", "*", no_nova },
	{ "placement", "*", "bandwidth is not reported to Placement so far" },
	{ "designate", "*", no_dns },
	{ "ironic", "*", "Ironic is not told of ports so far" },
	{ "qos", "*", no_extensions },
	{ "oslo_messaging_*", "*", no_queue },
	{ "matchmaker_*", "*", no_queue },
	{ "oslo_*", "*", other_program },
	{ "cors", "*", other_program },
	{ "cors.subdomain", "*", other_program },
	{ "healthcheck", "*", other_program },
	{ "profiler", "*", other_program },
	{ "cache", "*", other_program },
	{ "privsep", "*", other_program },
	{ "privsep_*", "*", other_program },
	{ "experimental", "*", other_program },
	{ "key_manager", "*", other_program },
	{ "barbican", "*", other_program },
	{ "service_user", "*", other_program },

	/* ml2_conf.ini */
	{ "ml2", "mechanism_drivers extension_drivers", "each host's agent says what its datapath is" },
	{ "ml2", "physical_network_mtus external_network_type", no_wires },
	{ "ml2", "tunnelled_network_rp_name", "bandwidth is not reported to Placement so far" },
	{ "ml2_type_vxlan", "vxlan_group", "a flooded frame goes to the hosts that have the network, one copy each" },
	{ "ml2_type_flat", "flat_networks", no_wires },
	{ "ml2_type_vlan", "network_vlan_ranges", no_wires },
	{ "ml2_type_gre", "tunnel_id_ranges", no_wires },
	{ "ml2_type_geneve", "vni_ranges max_header_size", no_wires },
	{ "ml2_sriov", "*", other_program },
	{ "ovs_driver", "*", other_program },
	{ "sriov_driver", "*", other_program },
	{ "ovn", "*", other_program },
	{ "ovn_*", "*", other_program },
	{ "l2pop", "agent_boot_time", "a host is sent what it needs when it connects" },
	{ "securitygroup", "enable_security_group enable_ipset firewall_driver permitted_ethertypes", no_groups },

	/* l3_agent.ini */
	{ D,
	  "interface_driver use_namespaces router_delete_namespaces router_id handle_internal_only_routers "
	  "cleanup_on_shutdown external_pids ip_lib_force_root check_child_processes check_child_processes_*",
	  no_namespaces },
	{ D, "enable_metadata_proxy metadata_*", no_metadata },
	{ D, "ovs_integration_bridge ovs_use_veth", no_namespaces },
	{ D, "ovsdb_timeout ovsdb_connection ovsdb_interface ovs_vsctl_timeout", native_ovsdb },
	{ D, "bridge_mac_table_size igmp_*", no_normal },
	{ "network_log", "*", no_groups },
	{ "conntrack_helper", "*", no_extensions },
	{ "metadata_rate_limiting", "*", no_metadata },

	/* openvswitch_agent.ini, ovs_neutron_plugin.ini */
	{ "ovs", "tunnel_bridge int_peer_patch_port tun_peer_patch_port use_veth_interconnection", one_bridge },
	{ "ovs", "of_*", native_openflow },
	{ "ovs", "openflow_processed_per_port", always },
	{ "ovs", "ovsdb_*", native_ovsdb },
	{ "ovs", "ssl_*", no_tls },
	{ "ovs", "bridge_mac_table_size igmp_*", no_normal },
	{ "ovs", "vhostuser_socket_dir", no_vhost },
	{ "ovs", "trunk_enabled", no_extensions },
	{ "ovs", "bridge_mappings qos_meter_bandwidth resource_provider_*", no_wires },
	{ "ovs",
	  "enable_tunneling tunnel_type tenant_network_type network_vlan_ranges tunnel_id_ranges tunnel_interface "
	  "tunnel_ip tunnel_key_min tunnel_key_max vxlan_udp_port",
	  "it is of the plugin that ML2 replaced" },
	{ "agent", "root_helper root_helper_daemon use_helper_for_ns_read",
	  "the agent runs with the rights that it needs" },
	{ "agent", "polling_interval minimize_polling ovsdb_monitor_respawn_interval get_datapath_retry_times",
	  native_ovsdb },
	{ "agent", "drop_flows_on_start", "a start changes what differs, and nothing else" },
	{ "agent", "explicitly_egress_direct", no_normal },
	{ "agent", "veth_mtu", one_bridge },
	{ "agent", "quitting_rpc_timeout rpc_support_old_agents", no_queue },
	{ "agent", "agent_type", "each host's agent says what its datapath is" },
	{ "agent", "baremetal_smartnic", no_extensions },
	{ "agent",
	  "check_child_processes_* comment_iptables_rules debug_iptables_rules use_random_fully kill_scripts_path",
	  no_namespaces },
	{ "agent", "arp_responder prevent_arp_spoofing enable_mac_spoofing_protection", always },
	{ "agent", "dont_fragment dscp dscp_inherit", no_outer },
	{ "agent", "extensions", no_extensions },
	{ "agent", "availability_zone", no_schedule },
	{ "agent", "log_agent_heartbeats", no_log },
	{ "agent", "bridge_mappings physical_interface_mappings", no_wires },
	{ "vxlan", "*", other_program },
	{ "linux_bridge", "*", other_program },
	{ "macvtap", "*", other_program },
	{ "sriov_nic", "*", other_program },
	{ "fdb", "*", other_program },
	{ "xenapi", "*", other_program },
	{ "local_ip", "*", no_extensions },
	{ "dhcp", "*", no_dhcp },
	{ "metadata", "*", no_metadata },
	{ "dns_forwarder", "*", no_dns },

	/* dhcp_agent.ini, metadata_agent.ini */
	{ D,
	  "dhcp_* dnsmasq_* enable_isolated_metadata enable_metadata_network force_metadata num_sync_threads resync_* "
	  "bulk_reload_interval network_auto_schedule network_scheduler_driver allow_automatic_dhcp_failover "
	  "enable_traditional_dhcp",
	  no_dhcp },
	{ D,
	  "auth_ca_cert auth_insecure auth_region auth_url admin_user admin_password admin_tenant_name endpoint_type "
	  "endpoint_url cache_url memcached_servers",
	  no_metadata },
};

const size_t conf_n_known = N_ELEMENTS(conf_known);
