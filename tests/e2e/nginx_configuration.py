"""nginx as the tests and benchmarks start it: in the foreground, in a folder of its own, with a page that says hello."""

TEMPLATE = '''
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "hello"; }}
  }}
}}
'''


def write_configuration(folder, port, workers):
    """Returns the file, which is in the folder."""
    path = folder / 'nginx.conf'
    path.write_text(TEMPLATE.format(folder=folder, port=port, workers=workers))
    return path
