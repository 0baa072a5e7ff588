"""nginx for the static files: its configuration and its command line."""

import os
import shutil

CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    log_format witness escape=json '{{"method":"$request_method","uri":"$request_uri","status":$status}}';
    access_log {directory}/files.log witness;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    default_type text/plain;
    server {{
        listen {host}:{port} ssl;
        server_name files.example.test;
        ssl_certificate {directory}/leaf.pem;
        ssl_certificate_key {directory}/leaf.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        root {directory}/content;
        location / {{
            # The server itself would let anybody delete: what stands in the way is the sandbox.
            dav_methods DELETE;
        }}
    }}
}}
"""


def configure(directory, host, port):
    """Writes `nginx.conf`."""
    # Workers of root would become nobody, who cannot read a directory below somebody's home.
    user = "user root;" if os.geteuid() == 0 else ""
    text = CONFIG.format(directory=directory, host=host, port=port, user=user)
    (directory / "nginx.conf").write_text(text, encoding="utf-8")


def command(directory):
    """nginx in the foreground."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    program = shutil.which("nginx", path=search)
    if program is None:
        raise FileNotFoundError("nginx is not installed: install the package nginx-light")
    return [program, "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")]
