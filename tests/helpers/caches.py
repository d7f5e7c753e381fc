"""What lies in a folder of kept files."""


def entries(cache):
    return [path for path in cache.iterdir() if path.is_dir()]
