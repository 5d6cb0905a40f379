"""Push-broom cubes: smile, keystone and stray light learnt, and reflectance from radiance."""
